"""`python -m alicerce_users.relay`: publish the events of users."""

from alicerce_common import relay
from alicerce_common.config import load

if __name__ == "__main__":
    raise SystemExit(relay.main(load(relay.RelaySettings)))
