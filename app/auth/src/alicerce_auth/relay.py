"""`python -m alicerce_auth.relay`: publish the events of auth."""

from alicerce_common import relay
from alicerce_common.config import load

if __name__ == "__main__":
    raise SystemExit(relay.main(load(relay.RelaySettings)))
