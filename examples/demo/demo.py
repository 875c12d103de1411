#!/usr/bin/env python3
"""generic Microservices shell."""
import ionman

class MicroService(ionman.microservice):
    """My Microservice."""
    Modules = ['rpc', 'get', 'msg', 'demo']

application = MicroService()
