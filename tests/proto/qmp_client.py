# SPDX-License-Identifier: GPL-2.0-or-later
"""The QMP client that libxl is: one line a message, CR LF expected back, SCM_RIGHTS with add-fd."""
import json
import socket


class QmpError(Exception):
    pass


class Qmp:
    def __init__(self, path, timeout=5, greet=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.buffer = b''
        self.events = []
        self.id = 0x786c7100
        if greet:
            self.greeting = self.message()
            if 'QMP' not in self.greeting:
                raise QmpError('no greeting but %r' % self.greeting)
            self.command('qmp_capabilities')

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()

    def message(self):
        while b'\r\n' not in self.buffer:
            more = self.socket.recv(65536)
            if not more:
                raise QmpError('closed after %r' % self.buffer)
            self.buffer += more
        line, self.buffer = self.buffer.split(b'\r\n', 1)
        return json.loads(line)

    def send(self, text, fds=()):
        if fds:
            socket.send_fds(self.socket, [text], list(fds))
        else:
            self.socket.sendall(text)

    def reply(self, command, fds=(), **arguments):
        """The whole reply, be it a return or an error."""
        self.id += 1
        request = {'execute': command, 'id': self.id}
        if arguments:
            request['arguments'] = arguments
        self.send(json.dumps(request).encode() + b'\r\n', fds)
        return self.answer(self.id)

    def answer(self, expected_id):
        """The next message that is no event."""
        while True:
            m = self.message()
            if 'event' in m:
                self.events.append(m)
            elif m.get('id') != expected_id:
                raise QmpError('id %r answered by %r' % (expected_id, m))
            else:
                return m

    def command(self, command, fds=(), **arguments):
        m = self.reply(command, fds, **arguments)
        if 'return' not in m:
            raise QmpError('%s: %r' % (command, m))
        return m['return']
