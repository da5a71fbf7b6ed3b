"""A mail server that keeps what it is handed: each mail becomes one JSON file, complete when it appears.

Run by Debian's own interpreter (/usr/bin/python3), whose aiosmtpd speaks SMTP and whose email package
reads the mail, so that neither is judged by the code that wrote it.

usage: smtp_sink.py ADDRESS PORT FOLDER
"""

import json
import os
import signal
import sys
import time
from email import message_from_bytes, policy

from aiosmtpd.controller import Controller


class Keep:
    """Writes every accepted mail into a folder, numbered in the order of arrival."""

    def __init__(self, folder):
        self.folder = folder
        self.count = len(os.listdir(folder))

    async def handle_DATA(self, server, session, envelope):
        mail = message_from_bytes(envelope.content, policy=policy.default)
        self.count += 1
        record = {
            "at_ms": int(time.time() * 1000),
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": [[name, str(value)] for name, value in mail.items()],
            "defects": [str(defect) for part in mail.walk() for defect in part.defects],
            "text": body(mail, "plain"),
            "html": body(mail, "html"),
        }
        path = os.path.join(self.folder, f"{self.count:04}.json")
        with open(path + ".part", "w", encoding="utf-8") as file:
            json.dump(record, file)
        os.rename(path + ".part", path)
        return "250 2.0.0 kept"


def body(mail, kind):
    part = mail.get_body(preferencelist=(kind,))
    return part.get_content() if part is not None else ""


def main():
    address, port, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    os.makedirs(folder, exist_ok=True)
    # The second argument makes it listen on this address only; the start fails if it cannot.
    controller = Controller(Keep(folder), hostname=address, port=port)
    controller.start()
    print("ready", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    controller.stop()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
