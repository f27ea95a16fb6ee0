"""The reverse proxy: its limits are in step with those of the gateway behind it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.secrets.certificates import make_authority, make_certificate
from gateway.cabinet.form_files import MOST_BYTES
from gateway.framing import MAX_HEAD_BYTES
from gateway.reading import MAX_BODY_BYTES
from gateway.schemas.events import MOST_WAIT
from gateway.uploads import MAX_FILE_BYTES
from gateway.web import MAX_CONNECTIONS
from shared.config import REQUEST_SECONDS

FOLDER = Path(__file__).parents[3] / "deploy" / "proxy"
CONFIG = (FOLDER / "nginx.conf").read_text(encoding="utf-8")
PASSED_ON = (FOLDER / "gateway.conf").read_text(encoding="utf-8")
_SIZES = {"k": 2**10, "m": 2**20}


def values(name: str, text: str = CONFIG) -> list[str]:
    """Return what a directive has, wherever it stands."""
    return re.findall(rf"^\s*{name}\s+([^;]+);", text, re.MULTILINE)


def size(text: str) -> int:
    return int(text[:-1]) * _SIZES[text[-1]]


def seconds(name: str, text: str = CONFIG) -> float:
    [found] = values(name, text)
    assert found.endswith("s")
    return float(found[:-1])


def body_sizes() -> dict[str, int]:
    """Return the limits of bodies by location; "" for everywhere else."""
    found, place = {}, ""
    for line in CONFIG.splitlines():
        if opened := re.match(r"\s*location (.*) \{$", line):
            place = opened[1]
        elif given := re.match(r"\s*client_max_body_size (\w+);", line):
            found[place] = size(given[1])
        elif line.strip() == "}":
            place = ""
    return found


def test_bodies_reach_the_gateway_a_little_beyond_its_own_limit() -> None:
    """It refuses them with a problem document; what is much more does not reach it."""
    limits = {
        "": MAX_BODY_BYTES,
        "= /questions": MOST_BYTES,
        '~ "^/questions/[0-9a-f-]{36}$"': MOST_BYTES,
        "= /api/v1/questions/attachments": MAX_FILE_BYTES,
    }
    given = body_sizes()
    assert given.keys() == limits.keys()
    for place, limit in limits.items():
        assert limit < given[place] <= 2 * limit, place


def test_times_are_those_of_the_gateway() -> None:
    assert seconds("client_header_timeout") == seconds("client_body_timeout") == REQUEST_SECONDS
    # A connection that waits in the pool is closed here first.
    upstream = CONFIG.partition("upstream gateway {")[2].partition("}")[0]
    assert seconds("keepalive_timeout", upstream) < REQUEST_SECONDS
    # A subscriber's wait, and then an answer within its own limits.
    assert seconds("proxy_read_timeout", PASSED_ON) > MOST_WAIT + 2 * REQUEST_SECONDS
    assert values("proxy_request_buffering", PASSED_ON) == ["off"]


def test_connections_are_fewer_than_the_gateway_takes() -> None:
    [upstream] = re.findall(r"server gateway:8080 max_conns=(\d+);", CONFIG)
    assert int(upstream) < MAX_CONNECTIONS
    [per_network, all_of_them] = [int(one.split()[1]) for one in values("limit_conn")]
    assert per_network < all_of_them <= int(upstream)


def test_heads_are_bounded_below_the_gateways_limit() -> None:
    [buffers] = values("large_client_header_buffers")
    count, each = buffers.split()
    assert int(count) * size(each) <= MAX_HEAD_BYTES


def test_the_callers_address_is_replaced_and_the_host_is_ours() -> None:
    headers = dict(one.split(None, 1) for one in values("proxy_set_header", PASSED_ON))
    assert headers == {
        "Host": "$server_name",
        "Connection": '""',
        "X-Forwarded-For": "$remote_addr",
    }
    assert "proxy_set_header" not in CONFIG


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:"),
        ("2001:db8:1:2::6", "2001:db8:1:2:"),
        ("2001:db8::6", "2001:db8"),
    ],
)
def test_one_household_is_one_network(address: str, network: str) -> None:
    patterns = re.findall(r'"~\*(\S+)"\s+\$(first|short);', CONFIG)
    assert len(patterns) == 2
    for pattern, name in patterns:
        if found := re.match(pattern.replace("(?<", "(?P<"), address, re.IGNORECASE):
            assert found[name] == network
            return
    assert address == network


def test_tokens_of_links_stay_out_of_the_log() -> None:
    [pattern] = re.findall(r'"~(\^/\(\?<door>\S+)"', CONFIG)
    found = re.match(pattern.replace("(?<", "(?P<"), "/recover/of-the-test")
    assert found is not None
    assert found["door"] == "recover"
    assert values("error_log") == ["/dev/stderr crit"]  # below that it has the path
    [form] = re.findall(r"log_format saldo escape=json ((?:'[^']*'\s*)+);", CONFIG)
    for variable in ("$uri", "$request_uri", "$request ", "$args", "$http_cookie", "$http_referer"):
        assert variable not in form


def test_nginx_takes_it(tmp_path: Path) -> None:
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if nginx is None:
        pytest.skip("nginx is not installed, so it has not read its configuration")
    certificate, key = make_certificate("lk.example.org", *make_authority("test"))
    (tmp_path / "tls.crt").write_text(certificate)
    (tmp_path / "tls.key").write_text(key)
    (tmp_path / "installation").mkdir()
    shutil.copy(FOLDER / "host.conf", tmp_path / "installation")
    shutil.copy(FOLDER / "gateway.conf", tmp_path)
    text = re.sub(r"(?<=\s)/tmp\b", str(tmp_path), CONFIG)
    text = text.replace("/etc/nginx/", f"{tmp_path}/").replace("/run/tls/", f"{tmp_path}/")
    text = text.replace("server gateway:", "server 127.0.0.1:")
    (tmp_path / "nginx.conf").write_text(text)
    command = [nginx, "-t", "-p", tmp_path, "-c", tmp_path / "nginx.conf"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
