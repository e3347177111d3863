"""Large documents are written where they are made, and never on the event loop."""

from __future__ import annotations

import threading

from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, field_serializer

from dashboard.api.routing import make_router


class Seen(BaseModel):
    """A document that tells in which threads it was made and written."""

    made_in: int
    written_in: int = 0

    @field_serializer("written_in")
    def name_thread(self, _value: int) -> int:
        return threading.get_ident()


def test_a_document_is_written_in_the_thread_that_made_it() -> None:
    router = make_router("Test", prefix="")

    @router.get("/seen")
    def seen() -> Seen:
        return Seen(made_in=threading.get_ident())

    @router.get("/loop")
    async def loop() -> int:
        return threading.get_ident()

    application = FastAPI()
    application.include_router(router)

    with TestClient(application) as client:
        found = client.get("/seen").json()
        assert found["made_in"] == found["written_in"] != client.get("/loop").json()
