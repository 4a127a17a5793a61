"""A peer engine as a process: reads the path of a query file per line, answers with a line of JSON.

usage: peer.py duckdb|datafusion DATA_FOLDER THREADS
       peer.py duckdb-tables DATABASE_FILE THREADS
"""

import json
import os
import sys
import time


def duckdb_runner(data, threads):
    import duckdb

    connection = duckdb.connect(config={"threads": threads})
    connection.execute("SET enable_progress_bar = false")
    for name in tables(data):
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{data}/{name}.parquet')")
    return duckdb.__version__, lambda sql: len(connection.execute(sql).fetchall())


def duckdb_tables_runner(database, threads):
    import duckdb

    connection = duckdb.connect(database, config={"threads": threads})
    connection.execute("SET enable_progress_bar = false")
    return duckdb.__version__, lambda sql: len(connection.execute(sql).fetchall())


def datafusion_runner(data, threads):
    import datafusion

    config = datafusion.SessionConfig().with_target_partitions(threads)
    context = datafusion.SessionContext(config)
    for name in tables(data):
        context.register_parquet(name, f"{data}/{name}.parquet")
    return datafusion.__version__, lambda sql: sum(batch.num_rows for batch in context.sql(sql).collect())


def tables(data):
    return sorted(name[: -len(".parquet")] for name in os.listdir(data) if name.endswith(".parquet"))


def peak_memory_bytes():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    return 0


def main():
    engine, data, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    runners = {
        "duckdb": duckdb_runner,
        "duckdb-tables": duckdb_tables_runner,
        "datafusion": datafusion_runner,
    }
    version, run = runners[engine](data, threads)
    print(json.dumps({"version": version}), flush=True)
    for line in sys.stdin:
        with open(line.strip()) as file:
            sql = file.read().rstrip().rstrip(";")
        start = time.perf_counter()
        try:
            answer = {"rows": run(sql)}
        except Exception as error:  # a peer that fails is reported, not hidden
            answer = {"error": str(error)[:500]}
        answer["ms"] = (time.perf_counter() - start) * 1000
        answer["peak_memory_bytes"] = peak_memory_bytes()
        print(json.dumps(answer), flush=True)


main()
