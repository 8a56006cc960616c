"""What a Python program does with the server, through an unmodified redis-py: python client.py PORT.

Every answer is checked. The same script passes against redis-server, which is how its own expectations were checked.
"""

import sys
import time

import redis

PORT = int(sys.argv[1])
KEYS = 3_000


def fails(expected, call, *arguments, **options):
    """The call must be refused with an error whose text contains `expected`."""
    try:
        answer = call(*arguments, **options)
    except redis.ResponseError as error:
        assert expected in str(error), f"{error!s} does not say {expected!r}"
    else:
        raise AssertionError(f"{arguments} was answered with {answer!r}, not refused")


def strings(r):
    assert r.ping() is True
    assert r.echo("hello") == b"hello"
    assert r.set("k", "v") is True and r.get("k") == b"v"
    assert r.get("absent") is None
    assert r.set("empty", b"") is True and r.get("empty") == b""
    every_byte = bytes(range(256))
    assert r.set(every_byte, every_byte) is True and r.get(every_byte) == every_byte
    assert r.mset({"a": 1, "b": 2, "c": "\r\n$-1\r\n"}) is True
    assert r.mget("a", "absent", "c") == [b"1", None, b"\r\n$-1\r\n"]
    assert r.exists("a", "b", "absent", "a") == 3
    assert r.delete("a", "b", "absent") == 2 and r.exists("a") == 0
    assert r.append("grown", "ab") == 2 and r.append("grown", "cd") == 4
    assert r.strlen("grown") == 4 and r.strlen("absent") == 0
    assert r.type("grown") == b"string" and r.type("absent") == b"none"


def counters(r):
    assert r.incr("n") == 1 and r.incrby("n", 41) == 42
    assert r.decr("n") == 41 and r.decrby("n", 41) == 0
    assert r.get("n") == b"0"
    r.set("word", "abc")
    fails("not an integer", r.incr, "word")
    r.set("most", 2**63 - 1)
    fails("overflow", r.incr, "most")
    assert r.get("most") == str(2**63 - 1).encode()


def conditions(r):
    assert r.set("lock", "me", nx=True) is True
    assert r.set("lock", "you", nx=True) is None
    assert r.set("nowhere", "x", xx=True) is None
    assert r.set("lock", "me again", xx=True, get=True) == b"me"
    assert r.set("fresh", "x", get=True) is None
    fails("syntax error", r.execute_command, "SET", "k", "v", "NX", "XX")


def expiry(r):
    r.set("brief", "x", px=60)
    r.set("long", "x", ex=100)
    assert 0 < r.pttl("brief") <= 60 and 90 < r.ttl("long") <= 100
    assert r.persist("long") == 1 and r.ttl("long") == -1 and r.persist("long") == 0
    assert r.expire("long", 50) == 1 and 40 < r.ttl("long") <= 50
    assert r.ttl("absent") == -2 and r.expire("absent", 5) == 0
    r.set("long", "a set without a time clears it")
    assert r.ttl("long") == -1
    assert r.expire("long", 0) == 1 and r.get("long") is None
    time.sleep(0.15)
    assert r.get("brief") is None and r.exists("brief") == 0 and r.ttl("brief") == -2


def scanning(r):
    r.flushdb()
    assert r.dbsize() == 0
    wanted = {f"user:{number}".encode() for number in range(KEYS)}
    pipe = r.pipeline(transaction=False)
    for key in wanted:
        pipe.set(key, key)
    pipe.set("other", "x")
    assert all(answer is True for answer in pipe.execute())
    assert r.dbsize() == KEYS + 1
    assert set(r.scan_iter()) == wanted | {b"other"}
    assert set(r.scan_iter(match="user:*", count=100)) == wanted
    assert set(r.scan_iter(match="user:1?")) == {f"user:1{d}".encode() for d in range(10)}
    assert set(r.scan_iter(match="user:[12]")) == {b"user:1", b"user:2"}
    assert r.keys("oth*") == [b"other"]
    for start in range(0, KEYS, 500):
        some = sorted(wanted)[start : start + 500]
        assert r.mget(some) == some


def pipelines(r):
    pipe = r.pipeline(transaction=False)
    for number in range(5_000):
        pipe.incr("counted")
        pipe.get("counted")
    answers = pipe.execute()
    assert answers[0::2] == list(range(1, 5_001))
    assert answers[1::2] == [str(number).encode() for number in range(1, 5_001)]
    # One refused command leaves its neighbours alone.
    pipe.set("word", "abc").incr("word").get("word")
    first, second, third = pipe.execute(raise_on_error=False)
    assert first is True and isinstance(second, redis.ResponseError) and third == b"abc"


def transactions(r):
    pipe = r.pipeline(transaction=True)
    pipe.set("t", 1).incr("t").get("t").mget("t", "absent")
    assert pipe.execute() == [True, 2, b"2", [b"2", None]]
    with r.client() as one:
        assert one.execute_command("MULTI") in (b"OK", True)
        assert one.execute_command("APPEND", "t", "lost") == b"QUEUED"
        assert r.get("t") == b"2", "a queued command has no effect yet"
        assert one.execute_command("DISCARD") in (b"OK", True)
        assert one.get("t") == b"2"
        fails("without MULTI", one.execute_command, "EXEC")
        one.execute_command("MULTI")
        fails("unknown command", one.execute_command, "NOSUCH")
        fails("discarded because of previous errors", one.execute_command, "EXEC")
        assert one.get("t") == b"2"


def large_values(r):
    large = bytes(number * 7 % 251 for number in range(1 << 16)) * 256
    assert len(large) == 16 << 20
    assert r.set("large", large) is True
    assert r.strlen("large") == len(large) and r.get("large") == large
    assert r.delete("large") == 1


def errors(r):
    fails("unknown command", r.execute_command, "NOSUCH", "x")
    fails("wrong number of arguments", r.execute_command, "GET")
    fails("wrong number of arguments", r.execute_command, "MSET", "a")
    fails("out of range", r.execute_command, "SELECT", "99")
    assert r.ping() is True, "an error leaves the connection usable"


def introspection(r):
    with r.client() as one:
        assert one.client_setname("tester") is True
        assert one.client_id() > 0
    assert isinstance(r.info(), dict) and r.info()
    # redis-server answers the same: one of the three policies.
    assert r.config_get("appendfsync")["appendfsync"] in ("always", "everysec", "no")


for protocol in (2, 3):
    connection = redis.Redis(port=PORT, protocol=protocol)
    connection.flushdb()
    for part in (
        strings,
        counters,
        conditions,
        expiry,
        scanning,
        pipelines,
        transactions,
        large_values,
        errors,
        introspection,
    ):
        part(connection)
    connection.flushdb()
    print(f"redis-py {redis.__version__}, RESP{protocol}: all answers right")
