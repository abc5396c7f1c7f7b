#!/usr/bin/env python3
"""A web server for what is in a directory: provider.py ADDRESS DIRECTORY. It prints its
port. Files have an ETag; Range and If-Range are understood, as far as a resumed download
needs them. Bytes go from the file to the socket inside of the kernel, and connections are
kept, so that it is not the server that is measured."""

import os
import re
import socket
import sys
import threading

REQUEST = re.compile(rb"(GET|HEAD) /(\S*) HTTP/1\.1\r\n")
RANGE = re.compile(rb"\r\nrange: *bytes=(\d+)-(\d*) *\r\n", re.IGNORECASE)
IF_RANGE = re.compile(rb"\r\nif-range: *(\S+) *\r\n", re.IGNORECASE)
MOST_HEADERS = 65536
MOST_AT_ONCE = 1 << 20


def answer_to(request, directory):
    """(head, descriptor or None, begin, end) of the answer to a request's headers."""
    asked = REQUEST.match(request)
    name = asked[2].split(b"?")[0].decode("latin-1") if asked else ""
    try:
        if not name or "/" in name or name.startswith("."):
            raise FileNotFoundError(name)
        file = os.open(os.path.join(directory, name), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", None, 0, 0
    status = os.fstat(file)
    size = status.st_size
    tag = b'"%x-%x"' % (status.st_mtime_ns, size)
    begin, end, first = 0, size, b"HTTP/1.1 200 OK\r\n"
    wanted, unless = RANGE.search(request), IF_RANGE.search(request)
    if wanted and (not unless or unless[1] == tag):
        begin = int(wanted[1])
        end = min(size, int(wanted[2]) + 1) if wanted[2] else size
        if begin >= end:
            os.close(file)
            return (b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */%d\r\n"
                    b"Content-Length: 0\r\n\r\n" % size), None, 0, 0
        first = (b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %d-%d/%d\r\n"
                 % (begin, end - 1, size))
    head = (b"%sContent-Type: application/octet-stream\r\nContent-Length: %d\r\nETag: %s\r\n"
            b"Accept-Ranges: bytes\r\n\r\n" % (first, end - begin, tag))
    if asked[1] == b"HEAD":
        end = begin
    return head, file, begin, end


def serve(connection, directory):
    received = b""
    with connection:
        while True:
            while b"\r\n\r\n" not in received:
                piece = connection.recv(MOST_HEADERS)
                if not piece or len(received) > MOST_HEADERS:
                    return
                received += piece
            request, received = received.split(b"\r\n\r\n", 1)
            head, file, begin, end = answer_to(request + b"\r\n\r\n", directory)
            connection.sendall(head, socket.MSG_MORE if begin < end else 0)
            if file is None:
                continue
            try:
                while begin < end:
                    sent = os.sendfile(connection.fileno(), file, begin,
                                       min(end - begin, MOST_AT_ONCE))
                    if sent == 0:
                        return  # the file has become shorter
                    begin += sent
            finally:
                os.close(file)


def serve_until_left(connection, directory):
    try:
        serve(connection, directory)
    except ConnectionError:
        pass  # who does not want the rest is free to go


def main():
    address, directory = sys.argv[1:]
    listener = socket.create_server((address, 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve_until_left, args=(connection, directory),
                         daemon=True).start()


if __name__ == "__main__":
    main()
