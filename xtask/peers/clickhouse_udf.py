"""ClickHouse inside this process, with WASM functions: reads `NAME FORM` per line, answers with a line of JSON.

usage: clickhouse_udf.py ROWS THREADS FOLDER

FOLDER has room for data, and a folder `modules` of `NAME.wasm` for the buffered interface, one call per block with rows as RowBinary, which is the
only FORM: the other interface, one call per row, takes a hundred times as long. The engine has WASM functions only where
its configuration says so, and says what it lacks where they are not in the build.
"""

import json
import pathlib
import sys
import time

CONFIGURATION = """<clickhouse>
<allow_experimental_webassembly_udf>true</allow_experimental_webassembly_udf>
<webassembly_udf_engine>wasmtime</webassembly_udf_engine>
</clickhouse>"""
SETTINGS = "SETTINGS serialization_format = 'RowBinary', webassembly_udf_enable_fuel = 0"


def start(rows, threads, folder):
    from chdb import session

    configuration = pathlib.Path(folder, "config.xml")
    configuration.write_text(CONFIGURATION)
    connection = session.Session(f"file:{folder}/data?config-file={configuration}")
    ask = lambda sql: str(connection.query(sql, "CSV")).strip()
    ask(f"SET max_threads = {threads}")
    # Its fastest: no fuel (above), and blocks of a fixed number of rows. By default it sizes them by what they take
    # when serialised, which it finds out row by row.
    ask("SET webassembly_udf_max_input_block_size = 65536")
    for path in pathlib.Path(folder, "modules").glob("*.wasm"):
        name, code = path.stem, path.read_bytes().hex()
        ask(f"INSERT INTO system.webassembly_modules (name, code) SELECT '{name}', unhex('{code}')")
        ask(
            f"CREATE FUNCTION {name} LANGUAGE WASM FROM '{name}' ARGUMENTS (a Int64, b Int64) RETURNS Int64"
            f" ABI BUFFERED_V1 DETERMINISTIC {SETTINGS}"
        )
    ask(
        "CREATE TABLE numbers ENGINE = Memory AS SELECT toInt64(number * 7919 % 10007) AS a,"
        f" toInt64(number * 31 % 1009) AS b FROM numbers({rows})"
    )
    return ask


def main():
    rows, threads, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    try:
        ask = start(rows, threads, folder)
    except Exception as error:
        print(json.dumps({"error": str(error)[:500]}), flush=True)
        return
    print(json.dumps({"version": ask("SELECT version()").strip('"')}), flush=True)
    for line in sys.stdin:
        name, _ = line.split()
        begun = time.perf_counter()
        try:
            answer = {"rows": rows, "sum": int(ask(f"SELECT sum({name}(a, b)) FROM numbers"))}
        except Exception as error:  # a peer that fails is reported, not hidden
            answer = {"error": str(error)[:500]}
        answer["ms"] = (time.perf_counter() - begun) * 1000
        print(json.dumps(answer), flush=True)


main()
