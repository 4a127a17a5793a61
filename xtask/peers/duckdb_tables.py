"""DuckDB over a database file: reads the path of a file of statements per line, answers with a line of JSON.

usage: duckdb_tables.py DATABASE_FILE THREADS
"""

import json
import sys
import time

import duckdb


def peak_memory_bytes():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    return 0


def main():
    connection = duckdb.connect(sys.argv[1], config={"threads": int(sys.argv[2])})
    connection.execute("SET enable_progress_bar = false")
    print(json.dumps({"version": duckdb.__version__}), flush=True)
    for line in sys.stdin:
        with open(line.strip()) as file:
            sql = file.read()
        start = time.perf_counter()
        try:
            answer = {"rows": len(connection.execute(sql).fetchall())}
        except Exception as error:  # a peer that fails is reported, not hidden
            answer = {"error": str(error)[:500]}
        answer["ms"] = (time.perf_counter() - start) * 1000
        answer["peak_memory_bytes"] = peak_memory_bytes()
        print(json.dumps(answer), flush=True)


main()
