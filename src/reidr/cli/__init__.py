"""The command line. Signals are listened to before anything else is imported."""

from reidr.core.process.signals import end_at_once_when_told

end_at_once_when_told()
