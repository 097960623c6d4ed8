from pathlib import Path

from local.apt import ARCHITECTURES
from local.prefix import prefix_path, wrapper

AMD64, ARM64 = ARCHITECTURES["x86_64"], ARCHITECTURES["aarch64"]


def test_the_prefix_is_in_the_users_cache_and_named_after_its_contents():
    assert prefix_path(AMD64, {"XDG_CACHE_HOME": "/c"}, root=False) == Path("/c/anju/servers/trixie-amd64-2")


def test_each_architecture_has_its_own_prefix():
    assert prefix_path(AMD64, {}, root=False) != prefix_path(ARM64, {}, root=False)


def test_root_uses_a_cache_that_the_unprivileged_user_can_reach():
    assert prefix_path(ARM64, {"XDG_CACHE_HOME": "/root/.cache"}, root=True) == Path(
        "/var/cache/anju/servers/trixie-arm64-2"
    )


def test_a_configured_prefix_is_used_unchanged():
    assert prefix_path(AMD64, {"ANJU_LOCAL_PREFIX": "/opt/servers"}, root=True) == Path("/opt/servers")


def test_a_wrapper_starts_the_program_through_the_prefixs_own_loader_under_its_own_name():
    script = wrapper("usr/sbin/nats-server", ARM64)
    assert script == (
        "#!/bin/sh\n"
        'root="${0%/usr/sbin/nats-server}"\n'
        'exec "$root/usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1" '
        '--library-path "$root/usr/lib/aarch64-linux-gnu" --argv0 "$0" "$root/usr/libexec/anju/nats-server" "$@"\n'
    )
