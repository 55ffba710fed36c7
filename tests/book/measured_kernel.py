"""Start a notebook's kernel and write down what it took: ``measured_kernel.py REPORT COMMAND...``.

A kernel is stopped by SIGKILL to the process that was started, so that process cannot report anything. It
therefore hands the kernel to a second process, in a session of its own, which learns of the kill from a pipe
that closes, ends the kernel and collects its wall time, CPU time and peak memory from the operating system.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time


def keep_accounts(report, command, pipe):
    """Run the kernel until it ends by itself or the pipe closes; then write the report."""
    begin = time.monotonic()
    kernel = subprocess.Popen(command)

    def end_with_parent():
        os.read(pipe, 1)
        kernel.send_signal(signal.SIGKILL)

    threading.Thread(target=end_with_parent, daemon=True).start()
    _, status, usage = os.wait4(kernel.pid, 0)
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    taken = {
        "wall_seconds": time.monotonic() - begin,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * unit,
    }
    with open(report + ".part", "w") as file:
        json.dump(taken, file)
    os.replace(report + ".part", report)
    return status


def main(report, *command):
    ours, theirs = os.pipe()
    if os.fork() == 0:
        os.setsid()
        os.close(theirs)
        keep_accounts(report, command, ours)
        os._exit(0)
    os.close(ours)
    os.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
