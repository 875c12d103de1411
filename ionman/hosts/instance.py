"""How one instance of a service is run."""

from ionman.files import folder
from ionman.host import Goal
from ionman.hosts.layout import Layout
from ionman.hosts.supervisor import Program


def program(layout: Layout, goal: Goal, name: str) -> Program:
    """The program `name` of `goal`; has the folder of the service's own data."""
    service = goal.service
    release = layout.release(service.app, service.version)
    configuration = layout.generation(service.name, goal.generation)
    state = layout.states / service.name
    user = layout.user(service.app)
    folder(state, mode=0o750, user=user, group=user)
    ours = {
        "IONMAN_CONFIG": str(configuration / "config.ini"),
        "IONMAN_INSTANCE": name,
        "IONMAN_CONTROL": str(layout.control(name)),
    }
    if service.verify:
        ours["IONMAN_VERIFY"] = str(configuration / "verify.json")
    return Program(
        name=name,
        # --no_save: twistd would pickle the application into its folder at the end
        command=(
            *(str(release / "venv/bin/twistd"), "-n", "--pidfile=", "--no_save"),
            *("-y", str(release / "app" / service.file)),
        ),
        directory=release / "app",
        user=user,
        writable=(state,),
        environment={
            "PATH": f"{release}/venv/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(state),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **service.environment,
            **ours,
        },
        open_files=service.open_files,
        memory=service.memory,
        drain_timeout=int(service.drain_timeout),
        supervisor=service.supervisor,
        notify=True,
        gentle=layout.confined,  # only root may give it its full share afterwards
        about={
            "service": service.name,
            "generation": goal.generation,
            "app": service.app,
            "version": service.version,
            "schedule": service.schedule,
            "drain_timeout": service.drain_timeout,
        },
    )
