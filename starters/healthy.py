"""Whether this host's worker is at work: `python -m starters.healthy`, as a container's health check.

It asks Temporal who has asked for work lately. That a process is there says less: one that hangs is there, too.
"""

from __future__ import annotations

import socket
import sys
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from rapport.model.base import UserError
from rapport.model.workflows import mail_queue
from rapport.temporal import connect, run_to_end
from starters.installation import settings_of

LATELY: Final = timedelta(minutes=2)
"""A worker that has nothing to do asks anew each minute."""


async def healthy(client: Client, task_queue: str) -> bool:
    """Whether a worker of this host has asked lately for workflows' work, and for mails that wait for the relay."""
    kinds = ((task_queue, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW), (mail_queue(task_queue), _ACTIVITY))
    for queue, kind in kinds:
        answer = await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind)
        )
        since = datetime.now(UTC) - LATELY
        if not any(
            poller.identity.endswith(f"@{socket.gethostname()}") and poller.last_access_time.ToDatetime(UTC) > since
            for poller in answer.pollers
        ):
            return False
    return True


_ACTIVITY: Final = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY


async def _main() -> None:
    if not await healthy(await connect(), settings_of(None).task_queue):
        sys.exit("no worker of this host has asked for work lately")


if __name__ == "__main__":
    try:
        run_to_end(_main())
    except UserError as refusal:
        sys.exit(str(refusal))
