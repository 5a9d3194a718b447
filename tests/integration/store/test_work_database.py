"""ctx.db: one transaction for each piece of work of a plugin."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event, text

from tests.integration.lab import Lab, plugin, wait_for

TOP = """
from sqlalchemy import text
ADD = text("INSERT INTO things (name) VALUES (:name)")
NAMES = text("SELECT name FROM things ORDER BY name")
"""
BODY = """
def add(self, name):
    self.ctx.db.execute(ADD, {"name": name})

def on_load(self, ctx):
    self.register_command("put", self.put)
    ctx.services.register("things", self)

def put(self, name, fail=False):
    self.add(name)
    if fail:
        raise ValueError("refused")
    return name

async def initialize(self):
    await self.subscribe_to_event("thing.*", self.on_event)
    self.create_task(self.background)

def on_event(self, event):
    self.add(event.data)
    if event.topic == "thing.bad":
        raise ValueError("refused")

async def background(self):
    self.add("task")
"""
ROUTES = """
@router.get("/names")
def names():
    return {"names": list(self.ctx.db.scalars(NAMES))}

@router.post("/add")
def add(name: str, status: int = 200):
    self.add(name)
    self.get_service("things").add(name + "-by-service")
    return {}, status

@router.post("/raise")
def raising(name: str):
    self.add(name)
    raise RuntimeError("no")

@router.post("/stream")
def stream(name: str):
    def parts():
        yield "begun"
        self.add(name)
    return parts()

@router.post("/thread")
def thread(name: str):
    import threading
    told = []
    def work():
        try:
            self.add(name)
        except Exception as error:
            told.append(f"{error} ({error.hint})")
        with self.ctx.transaction() as db:
            db.execute(ADD, {"name": name})
    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    return {"told": told}
"""


@pytest.fixture
def things(lab: Lab, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("SYSCTL_DATABASE_URL", database_url)
    lab.write("users", plugin("users", 1))
    lab.start()
    with lab.running.store.database.write() as connection:
        connection.execute(text("CREATE TABLE things (name text UNIQUE)"))
    lab.save(("users", plugin("users", 2, top=TOP, body=BODY, routes=ROUTES)))
    wait_for(lambda: names(lab) == {"task"}, "what the task wrote")
    return lab


def names(lab: Lab) -> set[str]:
    with lab.running.store.database.read() as connection:
        return set(connection.scalars(text("SELECT name FROM things")))


def test_a_request_commits_before_it_is_answered(things: Lab) -> None:
    assert things.ask("POST", "/users/add?name=a").status_code == 200
    assert names(things) == {"task", "a", "a-by-service"}
    assert things.json("/users/names")["names"] == ["a", "a-by-service", "task"]
    assert things.ask("POST", "/users/add?name=b&status=404").status_code == 404
    assert "b" in names(things)


@pytest.mark.parametrize("path", ["/users/add?name=c&status=500", "/users/raise?name=c"])
def test_one_that_fails_leaves_nothing(things: Lab, path: str) -> None:
    assert things.ask("POST", path).status_code == 500
    assert names(things) == {"task"}


def test_one_that_waits_too_long_for_another_writer_is_told_what_to_do(
    lab: Lab, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCTL_DATABASE_URL", sqlite_url)
    lab.write("users", plugin("users", 1, top=TOP, body=BODY, routes=ROUTES))
    lab.start()
    database = lab.running.store.database
    engine = database.engine()
    event.listen(engine, "checkout", lambda c, *_: c.execute("PRAGMA busy_timeout=1"))
    with database.write():
        answer = lab.ask("POST", "/users/add?name=late")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "is locked by another program or a long transaction of a plugin" in answer.json["error"]
    assert "sqlalche" not in answer.text
    assert "ctx.db.commit()" in answer.json["hint"]
    assert lab.ask("POST", "/users/add?name=no-table").status_code == 500


def test_commands_events_and_tasks_are_transactions_too(things: Lab) -> None:
    control = things.running.control
    assert control.run_command("users", "put", {"name": "by-command"}) == "by-command"
    with pytest.raises(ValueError, match="refused"):
        control.run_command("users", "put", {"name": "bad-command", "fail": True})
    bus = things.running.system.bus
    bus.publish("thing.bad", "bad-event", "test")
    bus.publish("thing.good", "good-event", "test")
    wait_for(lambda: "good-event" in names(things), "the event")
    assert names(things) == {"task", "by-command", "good-event"}


def test_a_stream_commits_at_its_end(things: Lab) -> None:
    assert things.ask("POST", "/users/stream?name=s").text == "begun"
    assert "s" in names(things)


def test_a_thread_takes_a_block_of_its_own(things: Lab) -> None:
    told = things.ask("POST", "/users/thread?name=t").json["told"]
    assert len(told) == 1
    assert "ctx.transaction()" in told[0]
    assert "t" in names(things)


def test_what_a_hook_wrote_is_committed_although_the_reload_fails(things: Lab) -> None:
    """Said so in README: each hook is one transaction."""
    body = BODY + "\ndef register_permissions(self):\n    raise ValueError('too late')\n"
    start = "async def initialize(self):"
    body = body.replace(start, f"{start}\n    self.add('i')")
    assert not things.save(("users", plugin("users", 3, top=TOP, body=body, routes=ROUTES))).success
    assert names(things) == {"task", "i"}
    failing = body.replace("self.add('i')", "self.add('j'); raise ValueError('at once')")
    assert not things.save(
        ("users", plugin("users", 4, top=TOP, body=failing, routes=ROUTES))
    ).success
    assert names(things) == {"task", "i"}


def test_a_commit_that_is_refused_is_no_success(things: Lab) -> None:
    children = "name text REFERENCES parents (name) DEFERRABLE INITIALLY DEFERRED"
    with things.running.store.database.write() as connection:
        connection.execute(text("CREATE TABLE parents (name text PRIMARY KEY)"))
        connection.execute(text(f"CREATE TABLE children ({children})"))
    routes = """
        @router.post("/orphan")
        def orphan():
            self.ctx.db.execute(text("INSERT INTO children VALUES ('x')"))
            return {"fine": True}
        """
    things.save(("users", plugin("users", 3, top=TOP, routes=routes)))
    answer = things.ask("POST", "/users/orphan")
    assert answer.status_code >= 500
    assert "fine" not in answer.text
    assert things.json("/users/version")["version"] == 3


def test_many_that_write_at_once_wait_for_each_other(things: Lab) -> None:
    together = threading.Barrier(8)

    def work(worker: int) -> list[int]:
        together.wait()
        return [
            things.ask("POST", f"/users/add?name=w{worker}-{number}").status_code
            for number in range(10)
        ]

    with ThreadPoolExecutor(8) as pool:
        codes = [c for future in [pool.submit(work, n) for n in range(8)] for c in future.result()]
    assert set(codes) == {200}
    assert len(names(things)) == 1 + 2 * 80


def test_no_connection_is_left_open(things: Lab) -> None:
    for number in range(30):
        things.ask("POST", f"/users/raise?name=n{number}")
        things.ask("POST", f"/users/add?name=n{number}")
        things.json("/users/names")
    pool = things.running.store.database.engine().pool
    assert pool.checkedout() == 0  # type: ignore[attr-defined]


def test_without_a_database_the_work_is_told_why(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCTL_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    lab.write(
        "users",
        plugin(
            "users",
            1,
            top=TOP,
            body="def go(self):\n    self.ctx.db\n",
            routes="@router.get('/go')\ndef go():\n    self.go()",
        ),
    )
    lab.start()
    answer = lab.get("/users/go")
    assert answer.status_code == 503
    assert "cannot be reached" in answer.text


def test_a_health_check_has_the_database_at_every_question(things: Lab) -> None:
    check = """
count = 0

def health_check(self):
    type(self).count += 1
    self.add(f"check {self.count}")
    return {"metrics": {"checks": self.count}}
"""
    assert things.save(("users", plugin("users", 3, top=TOP, body=BODY + check))).success
    assert "check 1" in names(things)
    things.generation("users").live_since -= 60  # its last answer is old
    health = things.running.control.health("users")
    assert (health["status"], health["message"]) == ("healthy", "")
    wait_for(lambda: "check 2" in names(things), "what the second check wrote")
