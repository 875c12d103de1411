// autobahn loads MessagePack whether it is used or not; CBOR is the only serializer of ionman.js.
module.exports = () => ({});
