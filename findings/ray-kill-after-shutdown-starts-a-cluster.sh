#!/usr/bin/env bash
# What:      a program that has ended its Ray session and then tidies up, by "ray.kill" of an actor that went with the session, starts
#            another cluster: with all cores of the machine, and without the settings of the first "ray.init". Then it raises
#            ActorHandleNotFoundError, and the new cluster stays until the program ends. Looking an actor up by name does the same.
# Seen in:   ray 2.60.0 (the wheel of PyPI), Python 3.11, Linux. With RAY_ENABLE_AUTO_CONNECT=0 in the environment nothing is started,
#            and both raise an error that says that Ray is not initialised.
# Guessed:   that calls which create work connect by themselves, as the documents of "ray.init" say, and that those which end it need
#            a session, or do nothing without one. "finally: ray.kill(actor)" looks harmless wherever it stands.
# Hurts:     drivers that kill their actors after something else has shut Ray down (a signal handler, an exit hook, a context that ends
#            sooner): eight seconds, and some hundred megabytes of processes that nobody asked for, on a machine that was to be left.
# So:        polyreel kills its actors before it leaves its session (polyreel.scale.crew).
# Runs:      bash findings/ray-kill-after-shutdown-starts-a-cluster.sh; exit code 0 while the behaviour is as described.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "ray==2.60.0" "psutil==7.2.2"
cat >"$work/driver.py" <<'PYTHON'
import psutil
import ray
from ray.exceptions import RayError


@ray.remote
class Worker:
    def answer(self):
        return 1


def servers():
    """Of clusters that this program started."""
    return sum(child.name() == "gcs_server" for child in psutil.Process().children(recursive=True))


ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
worker = Worker.options(name="worker").remote()
assert ray.get(worker.answer.remote()) == 1
assert ray.cluster_resources()["CPU"] == 1
ray.shutdown()
assert not ray.is_initialized() and servers() == 0
for call in (lambda: ray.kill(worker), lambda: ray.get_actor("worker")):
    try:
        call()
        raised = "nothing"
    except (RayError, ValueError) as error:
        raised = type(error).__name__
    cores = int(ray.cluster_resources()["CPU"]) if ray.is_initialized() else 0
    print(raised, servers(), "all" if cores == psutil.cpu_count() else cores)
    ray.shutdown()
PYTHON
said=$("$work/venv/bin/python" "$work/driver.py" 2>"$work/log" | tail -2) || { cat "$work/log" >&2; exit 1; }
without=$(RAY_ENABLE_AUTO_CONNECT=0 "$work/venv/bin/python" "$work/driver.py" 2>"$work/log" | tail -2) || { cat "$work/log" >&2; exit 1; }
printf 'what kill and get_actor raise, clusters afterwards, cores:\n%s\nwith RAY_ENABLE_AUTO_CONNECT=0:\n%s\n' "$said" "$without"
if [[ "$said" != $'ActorHandleNotFoundError 1 all\nValueError 1 all' ]] || [[ "$without" == *" 1 "* ]]; then
  echo "the behaviour has changed" >&2
  exit 1
fi
