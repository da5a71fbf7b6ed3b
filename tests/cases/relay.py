"""Stands between mail clients and a mail server, line by line, and does what a file says.

The file holds one of:
  pass       hands on everything
  stall      takes connections and says nothing
  keep       hands on everything but the server's answer to a whole mail, which the client never gets
  greet N    the greeting comes N seconds late
  answer N   the answer to a whole mail comes N seconds late
It is read for each connection and again when a mail is complete. Each line that is printed says what was done to
whom: `stalled ADDRESS`, `kept ADDRESS`.

usage: relay.py ADDRESS PORT SERVER-PORT FILE
"""

import asyncio
import sys


def manner(file):
    with open(file, encoding="utf-8") as text:
        words = text.read().split()
    return words[0] if words else "pass", int(words[1]) if 1 < len(words) else 0


class Visit:
    """One client and its connection to the server."""

    def __init__(self, file, client):
        self.file, self.client = file, client
        self.mail = False

    async def up(self, reader, writer):
        """From the client to the server."""
        while line := await reader.readline():
            if self.mail and line == b".\r\n":
                self.mail = False
                self.over = True
            writer.write(line)
            await writer.drain()
        writer.close()

    async def down(self, reader, writer):
        """From the server to the client."""
        self.over = False
        first = True
        while line := await reader.readline():
            if first:
                first = False
                word, seconds = manner(self.file)
                if word == "greet":
                    await asyncio.sleep(seconds)
            if line.startswith(b"354"):
                self.mail = True
            elif self.over:
                self.over = False
                word, seconds = manner(self.file)
                if word == "keep":
                    print("kept", self.client, flush=True)
                    continue
                if word == "answer":
                    await asyncio.sleep(seconds)
            writer.write(line)
            await writer.drain()
        writer.close()


async def main():
    address, port, server, file = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]

    async def welcome(reader, writer):
        client = writer.get_extra_info("peername")[0]
        try:
            if manner(file)[0] == "stall":
                print("stalled", client, flush=True)
                await reader.read()
                return
            visit = Visit(file, client)
            inner = await asyncio.open_connection(address, server)
            await asyncio.gather(visit.up(reader, inner[1]), visit.down(inner[0], writer))
        except OSError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(welcome, address, port) as listener:
        print("ready", flush=True)
        await listener.serve_forever()


asyncio.run(main())
