"""Turn a child into a service: drop to a user, tie its life to the parent, then run the real program.

Run as a script (`launch.py PARENT SIGNAL UID GID PROGRAM [ARGUMENT...]`, with "-" for UID and GID to keep the
user), because between fork and exec of a process with threads no Python is safe. It imports nothing of Anju: after the
drop, Anju's own files may be out of reach.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main(parent: str, death_signal: str, uid: str, gid: str, *command: str) -> None:
    """Become `command`; end with status 127 if it cannot be run."""
    libc = ctypes.CDLL(None, use_errno=True)
    if uid != "-":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    # After the change of user, which would clear it. The parent may have died before this call.
    if libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != int(parent):
        sys.exit("the process that started this service has ended")
    try:
        os.execvp(command[0], command)  # noqa: S606 - replacing this process is the purpose
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main(*sys.argv[1:])
