"""asyncpg's side of the workloads: with_asyncpg.py WORKLOAD COUNT TARGET prints what was measured as the drivers in Rust do."""

import asyncio
import json
import resource
import ssl
import sys
import time

import asyncpg

INSERT = "INSERT INTO sample (id, label, value) VALUES ($1, $2, $3)"
UNNEST = (
    "INSERT INTO sample (id, label, value) SELECT * FROM unnest($1::int4[], $2::text[], $3::float8[])"
)


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Meter:
    def __init__(self):
        self.laps = []
        self.cpu = cpu()
        self.begun = time.perf_counter()

    def finish(self, count):
        measured = {
            "count": count,
            "seconds": time.perf_counter() - self.begun,
            "cpu_seconds": cpu() - self.cpu,
            "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        }
        laps = sorted(self.laps)
        for percent in (50, 95, 99):
            if laps:
                measured[f"p{percent}_us"] = laps[min(len(laps) * percent // 100, len(laps) - 1)] * 1e6
        return measured


def rows(count):
    labels = [f"sample {number:07}" for number in range(1, 1025)]
    return [(number, labels[(number - 1) % 1024], number / 3) for number in range(1, count + 1)]


async def inserts(connection, statement, count, meter):
    for row in rows(count):
        begun = time.perf_counter()
        await statement.fetch(*row)
        meter.laps.append(time.perf_counter() - begun)


async def insert_one_by_one(connection, count):
    statement = await connection.prepare(INSERT)
    meter = Meter()
    await inserts(connection, statement, count, meter)
    return meter.finish(count)


async def insert_in_transaction(connection, count):
    statement = await connection.prepare(INSERT)
    meter = Meter()
    async with connection.transaction():
        await inserts(connection, statement, count, meter)
    return meter.finish(count)


async def insert_many(connection, count):
    statement = await connection.prepare(INSERT)
    samples = rows(count)
    meter = Meter()
    await statement.executemany(samples)
    return meter.finish(count)


async def insert_unnest(connection, count):
    statement = await connection.prepare(UNNEST)
    samples = rows(count)
    meter = Meter()
    ids, labels, values = zip(*samples)
    await statement.fetch(ids, labels, values)
    return meter.finish(count)


async def insert_copy(connection, count):
    samples = rows(count)
    meter = Meter()
    await connection.copy_records_to_table("sample", records=samples, columns=["id", "label", "value"])
    return meter.finish(count)


async def connects(options, count):
    meter = Meter()
    for _ in range(count):
        begun = time.perf_counter()
        connection = await asyncpg.connect(**options)
        await connection.fetchval("SELECT 1")
        await connection.close()
        meter.laps.append(time.perf_counter() - begun)
    return meter.finish(count)


ON_ONE_CONNECTION = {
    "5": insert_copy,
    "6a": insert_one_by_one,
    "6b": insert_in_transaction,
    "6c": insert_many,
    "6d": insert_unnest,
    "6e": insert_copy,
}


async def work(workload, count, target):
    options = {"database": "postgres", "port": int(target["port"])}
    unix = {"host": target["socket"], **options}
    with_password = {"user": "scram", "password": target["password"]}
    if workload in ON_ONE_CONNECTION:
        connection = await asyncpg.connect(user="trusted", **unix)
        return await ON_ONE_CONNECTION[workload](connection, count)
    if workload in ("7", "7k"):
        return await connects({**unix, **with_password}, count)
    if workload in ("7t", "7tk"):
        context = ssl.create_default_context(cafile=target["root"])
        return await connects({"host": "127.0.0.1", "ssl": context, **options, **with_password}, count)
    return None


def main():
    workload, count, file = sys.argv[1:]
    with open(file) as opened:
        target = json.load(opened)
    print(json.dumps(asyncio.run(work(workload, int(count), target))))


main()
