"""The app and the commands reach no other machine; the app listens to this one alone, and to a visitor at any time."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("streamlit")
pytest.importorskip("websockets")

from PIL import Image
from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import InvalidStatus

from benchmarks.visitor import run_script, texts, visit

ROOT = Path(__file__).resolve().parents[2]
STRACE = shutil.which("strace")
needs_strace = pytest.mark.skipif(STRACE is None, reason="no strace on this machine")
#: Addresses in a line of strace: IPv4 and IPv6.
ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')


def traced(command: list[str], trace: Path) -> list[str]:
    """The command under strace, which writes its network calls, and those of its children, to a file."""
    calls = "trace=connect,sendto,sendmsg,sendmmsg,bind"
    return [str(STRACE), "-f", "--seccomp-bpf", "-qq", "-s", "120", "-e", calls, "-o", str(trace), *command]


def outside(trace: Path) -> list[str]:
    """Lines in which an address other than this machine's own is named, and look-ups of names."""
    found = []
    for line in trace.read_text(errors="replace").splitlines():
        addresses = ["".join(groups) for groups in ADDRESS.findall(line)]
        others = [a for a in addresses if not a.startswith("127.") and a not in ("::1", "::", "0.0.0.0")]
        if others or "htons(53)" in line or "nscd" in line:
            found.append(line)
    return found


def environment(tmp_path: Path) -> dict[str, str]:
    """A fresh home folder, and nothing that other tests set."""
    return {**os.environ, "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, trained_weights: None) -> Iterator[tuple[str, Path, Path]]:
    """The app as the README starts it, on a fresh home folder: its address, its trace and its log."""
    folder = tmp_path_factory.mktemp("home")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app", "--server.port", str(port)]
    command += ["--server.headless", "true", "--server.fileWatcherType", "none"]
    trace, log = folder / "trace", folder / "log"
    if STRACE:
        command = traced(command, trace)
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(folder), stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        url = f"http://127.0.0.1:{port}"
        (folder / "pid").write_text(str(process.pid))
        try:
            _wait_for_health(url, process, log)
            yield url, trace, log
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)


def _wait_for_health(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(log.read_text())


@needs_strace
def test_the_app_reaches_no_other_machine(server: tuple[str, Path, Path]) -> None:
    url, trace, _ = server
    with visit(url) as connection:
        assert "DiffPose Studio" in texts(run_script(connection))
    assert "127.0.0.1" in trace.read_text(), "the trace sees the server's own address"
    assert outside(trace) == []


def test_the_app_listens_to_this_machine_alone(server: tuple[str, Path, Path]) -> None:
    port = int(server[0].rsplit(":", 1)[1])
    listening = [
        line.split()[1].split(":")[0]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
    ]
    assert listening == ["0100007F"], "127.0.0.1 as the system writes it"


@pytest.mark.parametrize("host", ["evil.example:8501", "192.168.1.5:8501", "localhost.evil.example"])
def test_other_names_of_the_server_are_refused(server: tuple[str, Path, Path], host: str) -> None:
    with pytest.raises(InvalidStatus) as refused, visit(server[0], origin=f"http://{host}", host=host):
        pass
    assert refused.value.response.status_code == 403


def test_plain_requests_under_other_names_are_refused_once_somebody_is_here(server: tuple[str, Path, Path]) -> None:
    with visit(server[0]) as connection:
        run_script(connection)
    for path in ("/", "/_stcore/metrics", "/_stcore/host-config"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            _get(server[0] + path, "evil.example")
        assert refused.value.code == 403
        assert _get(server[0] + path, "localhost") == 200
    assert _get(f"{server[0]}/_stcore/health", "10.0.0.7") == 200


def _get(url: str, host: str) -> int:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Host": host}), timeout=10) as answer:
        return int(answer.status)


def test_a_film_is_not_encoded_on_when_its_visitor_cancels_it(server: tuple[str, Path, Path]) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (2000, 1600), "#203040").save(picture, "PNG")
    pictures = [base64.b64encode(picture.getvalue()).decode()] * 20
    film = {"id": "7", "kind": "mp4", "pictures": pictures, "interval_ms": 2000}
    with visit(server[0]) as connection:
        drawn = run_script(connection, "view=Forward")
        stage = next(
            m.delta.new_element.bidi_component.id
            for m in drawn
            if m.WhichOneof("type") == "delta" and "diffpose_stage" in m.delta.new_element.bidi_component.component_name
        )

        def send(event: str, value: object) -> None:
            message = BackMsg()
            message.rerun_script.query_string = "view=Forward"
            message.rerun_script.widget_states.widgets.add(
                id=_make_trigger_id(stage, "events"), json_trigger_value=json.dumps([{"event": event, "value": value}])
            )
            connection.send(message.SerializeToString())

        send("file", film)
        _wait_for(lambda: _encoders(server) == 1, 60)
        send("cancel", "6")
        time.sleep(1)
        assert _encoders(server) == 1, "another request's word ends nothing"
        send("cancel", "7")
        _wait_for(lambda: _encoders(server) == 0, 5)


def _encoders(server: tuple[str, Path, Path]) -> int:
    """Number of the processes that encode films for the server."""
    session, found = int((server[1].parent / "pid").read_text()), 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes()
            found += b"app.stage.encode" in words and os.getsid(int(folder.name)) == session
    return found


def _wait_for(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it has not come"
        time.sleep(0.1)


@needs_strace
def test_a_page_of_another_site_is_refused_without_a_look_up(server: tuple[str, Path, Path]) -> None:
    with visit(server[0]) as connection:
        run_script(connection)
    with pytest.raises(InvalidStatus), visit(server[0], origin="http://evil.example"):
        pass
    assert outside(server[1]) == []


def test_the_first_start_asks_nothing(server: tuple[str, Path, Path]) -> None:
    text = server[2].read_text()
    assert "mail" not in text.lower()
    assert not (server[2].parent / ".streamlit").exists(), "nothing is written to the home folder"


COMMANDS = (
    ["--help"],
    ["lift", "assets/clips/wave.npz", "-o", "{out}/lifted.npz", "--hypotheses", "1", "--steps", "1"],
)


@needs_strace
@pytest.mark.slow
@pytest.mark.usefixtures("trained_weights")
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_commands_reach_no_other_machine(words: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "diffpose_core", *(word.format(out=tmp_path) for word in words)]
    subprocess.run(
        traced(command, tmp_path / "trace"), cwd=ROOT, env=environment(tmp_path), check=True, capture_output=True
    )
    assert outside(tmp_path / "trace") == []


#: What loads each detector's runtime.
RUNTIMES = {
    "onnxruntime": "import diffpose_core.io.detectors.rtmpose, onnxruntime",
    "ai_edge_litert": "import diffpose_core.io.detectors.blazepose, ai_edge_litert.interpreter",
}


@needs_strace
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_detectors_runtimes_send_nothing_and_write_no_device_id(runtime: str, tmp_path: Path) -> None:
    pytest.importorskip(runtime)
    command = traced([sys.executable, "-c", f"{RUNTIMES[runtime]}, time; time.sleep(2)"], tmp_path / "trace")
    home = tmp_path / "home"
    home.mkdir()
    subprocess.run(command, cwd=ROOT, env=environment(home), check=True, capture_output=True)
    assert outside(tmp_path / "trace") == []
    assert list(home.rglob("*")) == []
