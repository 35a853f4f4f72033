"""Names the two services that `twistd` offers; each is imported when it is asked for."""

from twisted.application.service import ServiceMaker

p2pchat = ServiceMaker(
    "p2pchat",
    "p2pchat.service.chat",
    "A peer-to-peer chat node.",
    "p2pchat",
)

p2pchat_rendezvous = ServiceMaker(
    "p2pchat rendezvous",
    "p2pchat.service.rendezvous",
    "A rendezvous server, where p2pchat nodes find each other.",
    "p2pchat-rendezvous",
)
