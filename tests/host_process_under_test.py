"""A host in a process of its own, for ``house_under_test``: commands in, answers out, as lines."""

import asyncio
import sys
from pathlib import Path
from random import SystemRandom

from actors.clock import SystemClock
from actors.device_signing import KeySigner
from actors.host import Host
from actors.local_host import LocalHost, local_host
from actors.store_redis import RedisStore
from schemas.commands import CommandEnvelope
from schemas.link import GmqttLink
from schemas.link_port import BackoffPolicy, LinkSettings, parse_mqtt_url

QUICK = BackoffPolicy(base_s=0.05, cap_s=0.5, short_life_s=0.0)


async def serve(redis_url: str, mqtt_url: str, keys: Path) -> None:
    store, clock = RedisStore.open(redis_url, host="local"), SystemClock()
    address = parse_mqtt_url(mqtt_url)

    def connect(host: Host) -> GmqttLink:
        client_id = f"host-{host.identity.incarnation}"
        settings = LinkSettings(address.host, address.port, client_id, backoff=QUICK)
        return GmqttLink(
            settings, host, random=SystemRandom(), mono_s=lambda: clock.mono_ms() / 1_000
        )

    async with local_host(store, clock, connect, signer=KeySigner(keys)) as host:
        await obey(host)
    await store.close()


async def obey(host: LocalHost) -> None:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    print("ready", flush=True)  # noqa: T201 - the line the parent waits for
    while line := await reader.readline():
        reply = await host.execute(CommandEnvelope.model_validate_json(line))
        print(reply.model_dump_json(), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
