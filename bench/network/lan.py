"""A local network inside of this machine: hosts (network namespaces) that are plugged
into one switch (a bridge in a namespace of its own) by cables whose rate is shaped both
ways. Needs root and iproute2.

The namespaces have no names: they, and all that is in them, are gone when this process
is, however it ends. Which namespace one is in is a property of the thread; sockets and
child processes belong to the one that they were made in:

    with host.entered():
        connection = socket.create_connection(...)
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
import threading

CLONE_NEWNET = 0x40000000
BURST_BYTES = 128 * 1024  # packets come in trains of up to 64 KiB (GSO)
QUEUE_BYTES = 256 * 1024  # before a cable; about 20 ms at 100 Mbit/s
LIBC = ctypes.CDLL(None, use_errno=True)


def require():
    """Says what is missing for a Lan, by ending the program."""
    if os.geteuid() != 0:
        raise SystemExit("network namespaces need root: run this as root")
    for program in ("ip", "tc", "setpriv"):
        if shutil.which(program) is None:
            raise SystemExit(f"there is no {program}: scripts/install-packages.sh tests "
                             "installs iproute2 (ip, tc); setpriv is of util-linux")


def check(result, what):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


class Namespace:
    """A network namespace that lives as long as this object and what is in it."""

    HOME = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def __init__(self):
        made = []

        def make():
            check(LIBC.unshare(CLONE_NEWNET), "cannot make a network namespace")
            made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))

        thread = threading.Thread(target=make)  # which ends, so that nobody has to go back
        thread.start()
        thread.join()
        if not made:
            raise SystemExit("cannot make a network namespace here")
        self.descriptor = made[0]
        with self.entered():
            # Duplicate address detection would be heard in the counters.
            self.set("ipv6/conf/all/disable_ipv6", 1)
            self.set("ipv6/conf/default/disable_ipv6", 1)
            self.ip("link set lo up")

    @contextlib.contextmanager
    def entered(self):
        check(LIBC.setns(self.descriptor, CLONE_NEWNET), "cannot enter a network namespace")
        try:
            yield
        finally:
            check(LIBC.setns(self.HOME, CLONE_NEWNET), "cannot leave a network namespace")

    def set(self, name, value):
        """A setting below /proc/sys/net, where the kernel has it."""
        with contextlib.suppress(FileNotFoundError), \
                open(f"/proc/sys/net/{name}", "w", encoding="ascii") as file:
            file.write(str(value))

    def ip(self, *lines):
        self.batch("ip", lines)

    def tc(self, *lines):
        self.batch("tc", lines)

    def batch(self, program, lines):
        done = subprocess.run([program, "-batch", "-"], input="\n".join(lines) + "\n", text=True,
                              capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{program} cannot do {'; '.join(lines)}: {done.stderr.strip()}")


class Host(Namespace):
    """A host with an address; `port` is the switch's end of its cable."""

    def __init__(self, name, address, port):
        super().__init__()
        self.name, self.address, self.port = name, address, port


class Lan:
    """The switch. Without a rate, cables are as fast as the machine."""

    def __init__(self, rate_mbit):
        self.rate_mbit = rate_mbit
        self.hosts = []
        self.switch = Namespace()
        with self.switch.entered():
            self.switch.ip("link add switch type bridge forward_delay 0 mcast_snooping 0",
                           "link set switch up")

    def host(self, name):
        """A new host with the next address of 10.0.0.0/16."""
        number = len(self.hosts) + 1
        host = Host(name, f"10.0.{number // 250}.{number % 250 + 1}", f"port{number}")
        where = f"/proc/{os.getpid()}/fd/{host.descriptor}"
        with self.switch.entered():
            self.switch.ip(f"link add {host.port} type veth peer name eth0 netns {where}",
                           f"link set {host.port} master switch up")
            self.shape(self.switch, host.port)
        with host.entered():
            host.ip(f"address add {host.address}/16 dev eth0", "link set eth0 up")
            # Not what this machine happens to prefer; cubic may be for its owner only.
            try:
                host.set("ipv4/tcp_congestion_control", "cubic")
            except PermissionError:
                host.set("ipv4/tcp_congestion_control", "reno")
            self.shape(host, "eth0")
        self.hosts.append(host)
        return host

    def shape(self, namespace, device):
        if self.rate_mbit:
            namespace.tc(f"qdisc add dev {device} root tbf rate {self.rate_mbit}mbit "
                         f"burst {BURST_BYTES} limit {QUEUE_BYTES}")

    def counters(self):
        """{host: (bytes sent, bytes received)} so far, as the switch's ports counted them."""
        counted = {}
        with self.switch.entered(), open("/proc/thread-self/net/dev", encoding="ascii") as file:
            for line in list(file)[2:]:
                port, numbers = line.split(":")
                values = numbers.split()
                counted[port.strip()] = (int(values[0]), int(values[8]))
        return {host: counted[host.port] for host in self.hosts}
