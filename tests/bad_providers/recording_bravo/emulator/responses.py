"""Responses of the emulator: errors in Bravo's documented shape."""

from recording_core.testing import Reply


def build_problem(status: int, code: str) -> Reply:
    """Build an error."""
    return Reply.json({"error": {"code": code, "text": code.replace("_", " ")}}, status)
