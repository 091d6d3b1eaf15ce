"""The slowest webhooks while somebody scrapes."""

import asyncio
from pathlib import Path
from statistics import median, quantiles

from benchmarks import servers
from benchmarks.figures import Figure
from benchmarks.load import Load, connect
from benchmarks.servers import SECRET, Server
from benchmarks.throughput import Case

SCRAPERS = 4
"""Such as two Prometheus servers and two agents."""


async def measure(case: Case, folder: Path, rounds: int = 7, seconds: float = 1.0) -> list[Figure]:
    """The 99th percentile of webhook latency, with scrapers and without, in turn."""
    with servers.exporter(folder) as server:
        load = await connect(server.port)
        await _latencies(case, server, load, seconds, scraped=False)
        found = [
            (
                await _p99(case, server, load, seconds, scraped=True),
                await _p99(case, server, load, seconds, scraped=False),
            )
            for _ in range(rounds)
        ]
        load.close()
    ratio = median(scraped / quiet for scraped, quiet in found)
    beside = f"{median(one for one, _ in found) * 1e3:.1f} ms against {median(two for _, two in found) * 1e3:.1f} ms"
    return [Figure(f"webhook p99 with {SCRAPERS} scrapers every second / without", ratio, "x", 1.5, "at most", beside)]


async def _p99(case: Case, server: Server, load: Load, seconds: float, *, scraped: bool) -> float:
    return quantiles(await _latencies(case, server, load, seconds, scraped=scraped), n=100)[-1]


async def _latencies(case: Case, server: Server, load: Load, seconds: float, *, scraped: bool) -> list[float]:
    """Latencies of at least so many seconds of load."""
    scraping = [asyncio.create_task(_scrape(server)) for _ in range(SCRAPERS if scraped else 0)]
    latencies: list[float] = []
    taken = 0.0
    while taken < seconds:
        earlier, measured = case.queues(SECRET)
        await load.run(earlier)
        run = await load.run(measured)
        latencies += run.latencies
        taken += run.seconds
    for scraper in scraping:
        scraper.cancel()
    return latencies


async def _scrape(server: Server) -> None:
    while True:
        await asyncio.to_thread(server.get, "/metrics", "application/openmetrics-text; version=1.0.0")
        await asyncio.sleep(1)
