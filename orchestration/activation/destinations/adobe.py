"""Adobe Campaign: an audience as the file that a workflow imports from the SFTP server.

Adobe documents no call that takes members in and out of a list in batches, but files: "File
transfer" fetches one from the SFTP server, "Data loading (file)", in version 8 "Load file", reads
it, and "List update" fills a list with whom it found. The file is always the whole audience, so
that the list is exact where "List update" purges it first: check "Purge the list if it exists".
The workflow is made once, by hand, with a first file as its sample:

- The file is a CSV in UTF-8, with a comma between columns, CRLF after a line and a head line.
- People are found again by customer_id: reconcile by the field that holds it.
- A workflow may fetch and delete the file; who is a member stands in a hidden file beside it.
- "Load file" of the web interface takes 50 MB, some 300,000 members.

What public documentation lacks: what came of an import. Rows that Adobe refuses are seen in the log
of the workflow alone. Whoever is forgotten leaves the file and, with the next import, the list; the
recipient stays, and is deleted with Adobe's own privacy requests.

The Experience Platform takes files as well ("external audiences"), but at most ten times an
audience, so not here.
"""

from dataclasses import replace

from orchestration.activation.destination import Connection, Destination
from orchestration.activation.destinations import sftp
from orchestration.activation.destinations.sftp import RemoteFolder, SftpServer
from orchestration.activation.member_file import Layout, MemberFile


class AdobeOptions(SftpServer):
    """The SFTP server of the instance, whose user has a key registered in the Control Panel."""


DECLARED = replace(
    sftp.DECLARED,
    optional_secrets=(),
    secrets=("PRIVATE_KEY",),
    options=AdobeOptions,
)


def connect(options: AdobeOptions, connection: Connection) -> Destination:
    """The folder on the server; nothing is sent."""
    return MemberFile(RemoteFolder(options, connection), Layout("csv"))
