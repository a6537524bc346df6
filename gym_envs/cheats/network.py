"""Cheats that want to talk to somebody: over the network, through sockets, past namespaces."""

from __future__ import annotations

from gym_envs.cheats.cheat import Cheat, everywhere

CHEATS = (
    Cheat(
        "network-tcp",
        "Connects to a server on the machine's loopback and to its other addresses.",
        everywhere(
            """
            for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "$ADDRESS$"):
                def connect():
                    with socket.create_connection((address, $PORT$), timeout=0.5) as server:
                        server.sendall(b"network-tcp")
                    cheated(f"talks to {address}")
                attempt(connect)
            """
        ),
        telling=True,
    ),
    Cheat(
        "network-dns",
        "Asks name servers, so that secrets leave as host names, and sends datagrams.",
        everywhere(
            """
            if attempt(socket.getaddrinfo, "example.com", 80):
                cheated("resolves names")
            for address in ("127.0.0.1", "$ADDRESS$", "8.8.8.8"):
                def send():
                    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                        sender.settimeout(0.2)
                        sender.connect((address, $PORT$))
                        sender.send(b"network-dns")
                        if sender.recv(100):
                            cheated(f"hears from {address}")
                attempt(send)
            """
        ),
    ),
    Cheat(
        "network-unix-path",
        "Connects to Unix sockets of the host: the test's own, Docker's, the system bus.",
        everywhere(
            """
            for path in ("$SOCKET$", "/var/run/docker.sock", "/run/docker.sock",
                         "/run/containerd/containerd.sock", "/run/dbus/system_bus_socket",
                         "/run/systemd/private", *glob.glob("/tmp/*.sock"),
                         *glob.glob("/run/*.sock")):
                def connect():
                    with socket.socket(socket.AF_UNIX) as client:
                        client.connect(path)
                        cheated(f"talks to {path}")
                        client.sendall(b"network-unix-path")
                attempt(connect)
            """
        ),
    ),
    Cheat(
        "network-unix-abstract",
        "Connects to a Unix socket that has no path and so needs no file system.",
        everywhere(
            r"""
            def connect():
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect("\0$ABSTRACT$")
                    cheated("talks to an abstract socket")
                    client.sendall(b"network-unix-abstract")
            attempt(connect)
            """
        ),
    ),
    Cheat(
        "network-vsock",
        "Opens sockets of families that no network namespace holds back: VSOCK, ALG, packets.",
        everywhere(
            """
            kinds = {"vsock": (40, socket.SOCK_STREAM), "vsock datagrams": (40, socket.SOCK_DGRAM),
                     "alg": (38, socket.SOCK_SEQPACKET), "packets": (17, socket.SOCK_RAW),
                     "raw": (socket.AF_INET, socket.SOCK_RAW), "bluetooth": (31, socket.SOCK_RAW),
                     "xdp": (44, socket.SOCK_RAW), "can": (29, socket.SOCK_RAW)}
            for name, (family, kind) in kinds.items():
                if attempt(socket.socket, family, kind, 1 if name == "raw" else 0):
                    cheated(f"opens a socket of the family {name}")
            """
        ),
    ),
    Cheat(
        "network-netlink",
        "Asks the kernel for interfaces, listeners and routes, and brings an interface up.",
        everywhere(
            """
            names = [name for _, name in attempt(socket.if_nameindex) or ()]
            if set(names) - {"lo"}:
                cheated(f"sees the interfaces {names}")
            for table in glob.glob("/proc/net/tcp*") + glob.glob("/proc/net/unix"):
                text = attempt(read, table) or b""
                if f":{$PORT$:04X}".encode() in text or b"$ABSTRACT$" in text:
                    cheated(f"sees the host's sockets in {table}")
            if (attempt(read, "/proc/net/route") or b"").count(b"\\n") > 1:
                cheated("sees routes")
            """
        ),
    ),
    Cheat(
        "network-between-trials",
        "Leaves a server that answers on loopback and on an abstract socket for the next process.",
        everywhere(
            r"""
            addresses = [(socket.AF_UNIX, "\0$MARK$"),
                         (socket.AF_INET, ("127.0.0.1", $FREE_PORT$)),
                         (socket.AF_UNIX, "/tmp/$MARK$-socket"),
                         (socket.AF_UNIX, "/dev/shm/$MARK$-socket")]
            for family, address in addresses:
                with socket.socket(family) as client:
                    client.settimeout(1)
                    if attempt(lambda: (client.connect(address), True)):
                        cheated(f"talks to an earlier process at {address}")
            def serve():
                servers = []
                for family, address in addresses:
                    server = socket.socket(family)
                    attempt(server.bind, address)
                    attempt(server.listen)
                    servers.append(server)
                time.sleep(60)
            daemon(serve)
            """
        ),
        repeats=True,
        telling=True,
    ),
)
