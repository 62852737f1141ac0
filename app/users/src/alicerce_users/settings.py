"""What users is told."""

from alicerce_common.config import ConsumerSettings, DatabaseSettings, TokenSettings, WebSettings


class Settings(DatabaseSettings, TokenSettings, WebSettings):
    """The web process."""


class AccountConsumerSettings(DatabaseSettings, ConsumerSettings):
    """The consumer of auth's events."""
