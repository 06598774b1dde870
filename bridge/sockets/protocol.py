"""How the two sides speak: what a client's frame has, and how it is answered. Knows no feature's frames."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from bridge.core.errors import Refusal
from bridge.sockets.endings import UNAUTHORIZED
from bridge.web.fields import Data
from bridge.web.idempotency import PATTERN
from bridge.web.problems import Problem

FrameId = Annotated[str, StringConstraints(pattern=PATTERN)]


class Frame(Data):
    """What a client sends. `id`: its own, by which the answer names it."""

    type: str
    id: Annotated[FrameId | None, Field(description="yours: the answer has it, too")] = None


class Ack(BaseModel):
    """Your frame was taken; what it says is on disk, where it is of a kind that is kept."""

    type: Literal["ack"]
    id: str | None = Field(description="of your frame")


class FieldAtFault(BaseModel):
    field: str
    detail: str


class Error(BaseModel):
    """Your frame was not taken, and nothing was changed."""

    type: Literal["error"] = "error"
    id: str | None = Field(description="of your frame, where it could be read")
    code: str = Field(description="stable; tell errors apart by this")
    detail: str = Field(description="for a person: what is wrong and what to do")
    field: str = Field(default="", description="the field at fault, where it is one")
    errors: list[FieldAtFault] = Field(default=[], description="every field at fault")
    incident: str = Field(default="", description="what the operator finds a fault of ours by")
    retry_after: int = Field(default=0, description="seconds until it is worth while to send it again")


class UnknownFrame(Refusal):
    code = "unknown_frame"


class MalformedFrame(Refusal):
    code = "malformed_json"


def error(frame_id: str | None, problem: Problem) -> str:
    """As JSON, without what there is nothing to say of."""
    found: dict[str, object] = {"id": frame_id, "code": problem.code, "detail": problem.detail}
    if problem.field is not None:
        found["field"] = problem.field
    if problem.errors:
        found["errors"] = [FieldAtFault(field=one.field, detail=one.detail) for one in problem.errors]
    if problem.incident is not None:
        found["incident"] = problem.incident
    if problem.headers and "Retry-After" in problem.headers:
        found["retry_after"] = int(problem.headers["Retry-After"])
    return Error.model_validate({"type": "error", **found}).model_dump_json(exclude_unset=True)


def let_in_no_more(frame_id: str | None) -> str:
    return error(frame_id, Problem(code="unauthorized", status=401, detail=UNAUTHORIZED.reason))
