"""Closes the machine's files to a program by Landlock (Linux 5.13; `man 7 landlock`). A program cannot undo it.

The program opens only files that are listed here or in its order: neither files with secrets nor the environment
of other processes in `/proc`. It has no capabilities, also as root. From Linux 6.12 on it can send signals to its own
children only.
"""

import ctypes
import os
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH, _NO_NEW_PRIVILEGES = 1, 1, 38
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_CAPABILITIES_VERSION = 0x20080522
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_HANDLED = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""By version: the accesses to files that Landlock can forbid."""
_SCOPES = 0b11
"""No signals to, and no abstract sockets of, programs outside (version 6)."""

SYSTEM = (
    "/usr",
    "/bin",
    "/lib",
    "/lib64",
    "/proc",
    "/sys/devices/system",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
    "/etc/ca-certificates",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/pki",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl",
)
"""What programs need of a Linux system. The rest of `/etc` can have secrets."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _layout_ = "ms"  # what `_pack_` means; Python 3.14 wants it said
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """The version of Landlock that the kernel has; 0 without it."""
    if sys.platform != "linux":
        return 0
    return max(0, _call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION)))


def enter(readable: Iterable[str], writable: Iterable[str]) -> None:
    """Open nothing any more but the system, Python, and these. Call it before any thread is started.

    Raises OSError when the kernel refuses.
    """
    have = version()
    handled = _HANDLED[min(max(have, 1), 5)]
    rules = _Ruleset(handled, 0, _SCOPES if have >= 6 else 0)
    size = 8 if have < 4 else 16 if have < 6 else 24
    ruleset = _demand(_call(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0)))
    python = {sys.prefix, sys.base_prefix, *filter(os.path.isabs, sys.path)}
    for path in {*SYSTEM, *python, *readable}:
        _allow(ruleset, path, handled & _READ)
    for path in writable:
        _allow(ruleset, path, handled)
    _allow(ruleset, os.devnull, handled & _OF_FILES)
    _demand(_libc().prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    _drop_capabilities()
    _demand(_call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)))
    os.close(ruleset)


def _drop_capabilities() -> None:
    """With CAP_PERFMON, as root has it, the environments of other processes could be read all the same."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
    _demand(_libc().capset(header, (ctypes.c_uint32 * 6)()))


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # not on this system
        return
    try:
        rule = _Beneath(access if Path(path).is_dir() else access & _OF_FILES, opened)
        arguments = (ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), ctypes.byref(rule), ctypes.c_uint32(0))
        _demand(_call(_ADD_RULE, *arguments))
    finally:
        os.close(opened)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    libc = _libc()
    libc.syscall.restype = ctypes.c_long
    return int(libc.syscall(ctypes.c_long(number), *arguments))


def _demand(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "Landlock refuses: " + os.strerror(ctypes.get_errno()))
    return result
