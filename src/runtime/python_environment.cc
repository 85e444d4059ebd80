#include "runtime/python_environment.h"

#include "base/json.h"
#include "base/log.h"
#include "runtime/worker_process.h"

namespace tercet {
namespace {

constexpr int64_t kTimeoutUs = 1'800'000'000;
constexpr int64_t kMemoryBytes = 16LL << 30;

/// Frames that it takes: 'L' (look) and 'M' (make), both with {"folder", "requirements"}. It
/// answers 'R' with the interpreter's path, of 'L' empty when there is none; or 'E' with what went
/// wrong.
constexpr std::string_view kProgram = R"py(
import fcntl, hashlib, json, os, platform, shutil, socket, struct, subprocess, sys, venv

channel = socket.socket(fileno=3)
channel.set_inheritable(False)


def receive(count):
    parts = b""
    while len(parts) < count:
        part = channel.recv(count - len(parts))
        if not part:
            os._exit(0)  # the parent is gone
        parts += part
    return parts


def send(kind, text=""):
    payload = text.encode()
    channel.sendall(kind + struct.pack("<Q", len(payload)) + payload)


def pip(python, *words):
    done = subprocess.run([python, "-m", "pip", "--disable-pip-version-check", "--no-input",
                           "install", "--progress-bar", "off", *words],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        raise RuntimeError("pip: " + "\n".join(lines[-12:]))


def make(folder, requirements):
    shutil.rmtree(folder, ignore_errors=True)
    try:
        venv.create(folder, with_pip=True, symlinks=True)
        python = os.path.join(folder, "bin", "python")
        file = os.path.join(folder, "requirements.txt")
        with open(file, "w", encoding="utf-8") as out:
            out.write(requirements)
        pip(python, "-r", file)
        if subprocess.run([python, "-c", "import pyarrow"], stderr=subprocess.DEVNULL).returncode:
            pip(python, "pyarrow")
        with open(os.path.join(folder, "made"), "w"):
            pass
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def ensure(request, may_make):
    of = "\0".join([sys.version, platform.machine(), request["requirements"]])
    name = hashlib.sha256(of.encode()).hexdigest()[:32]
    folder = os.path.join(request["folder"], name)
    python, made = os.path.join(folder, "bin", "python"), os.path.join(folder, "made")
    if not os.path.exists(made):
        if not may_make:
            return ""
        os.makedirs(request["folder"], exist_ok=True)
        with open(folder + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.exists(made):
                make(folder, request["requirements"])
    return python


while True:
    kind, length = struct.unpack("<cQ", receive(9))
    request = json.loads(receive(length))
    try:
        answer = ensure(request, kind == b"M")
    except BaseException as error:
        send(b"E", f"{type(error).__name__}: {error}"[:4000])
    else:
        send(b"R", answer)
)py";

Result<std::string> Ask(WorkerProcess* worker, char type, const json::object& request) {
  ARROW_ASSIGN_OR_RAISE(WorkerProcess::Frame answer,
                        worker->Call({type, ToText(request)}, kTimeoutUs));
  if (answer.type == 'R') return std::move(answer.payload);
  return Status::ExecutionError(answer.payload);
}

}  // namespace

Result<std::string> EnsurePythonEnvironment(const std::string& folder, const std::string& python,
                                            const std::string& requirements) {
  const json::object request = {{"folder", folder}, {"requirements", requirements}};
  const auto ensure = [&]() -> Result<std::string> {
    WorkerProcess worker;
    ARROW_RETURN_NOT_OK(worker.Start({python, "-B", "-c", std::string(kProgram)}, kMemoryBytes));
    ARROW_ASSIGN_OR_RAISE(std::string found, Ask(&worker, 'L', request));
    if (!found.empty()) return found;
    LogInfo("makes an environment of Python in '" + folder + "' by pip; this may take minutes");
    ARROW_ASSIGN_OR_RAISE(std::string made, Ask(&worker, 'M', request));
    LogInfo("the environment is made: '" + made + "'");
    return made;
  };
  Result<std::string> ensured = ensure();
  if (ensured.ok()) return ensured;
  return Explain(ensured.status(), "cannot make an environment with requirements.txt");
}

}  // namespace tercet
