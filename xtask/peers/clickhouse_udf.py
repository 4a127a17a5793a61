"""ClickHouse inside this process, with WASM functions: reads `NAME FORM` per line, answers with a line of JSON.

usage: clickhouse_udf.py ROWS THREADS MODULES

MODULES is a folder of `NAME_FORM.wasm`. FORM is `direct` (one call per row) or `buffered` (one call per block, rows as
RowBinary). The engine has WASM functions only where its configuration says so, and says what it lacks where they are
not in the build.
"""

import json
import pathlib
import sys
import tempfile
import time

CONFIGURATION = """<clickhouse>
<allow_experimental_webassembly_udf>true</allow_experimental_webassembly_udf>
<webassembly_udf_engine>wasmtime</webassembly_udf_engine>
</clickhouse>"""
INTERFACES = {
    "direct": "ABI ROW_DIRECT DETERMINISTIC",
    "buffered": "ABI BUFFERED_V1 DETERMINISTIC SETTINGS serialization_format = 'RowBinary'",
}


def start(folder, rows, threads, modules):
    from chdb import session

    configuration = pathlib.Path(folder, "config.xml")
    configuration.write_text(CONFIGURATION)
    connection = session.Session(f"file:{folder}/data?config-file={configuration}")
    ask = lambda sql: str(connection.query(sql, "CSV")).strip()
    ask(f"SET max_threads = {threads}")
    # Fuel is for a whole block in the buffered form; no answer depends on how much there is.
    ask("SET webassembly_udf_max_fuel = 1000000000000")
    for path in sorted(pathlib.Path(modules).glob("*.wasm")):
        name, form = path.stem.split("_")
        ask(f"INSERT INTO system.webassembly_modules (name, code) SELECT '{path.stem}', unhex('{path.read_bytes().hex()}')")
        ask(
            f"CREATE FUNCTION {path.stem} LANGUAGE WASM FROM '{path.stem}' :: '{name}'"
            f" ARGUMENTS (a Int64, b Int64) RETURNS Int64 {INTERFACES[form]}"
        )
    ask(
        "CREATE TABLE numbers ENGINE = Memory AS SELECT toInt64(number * 7919 % 10007) AS a,"
        f" toInt64(number * 31 % 1009) AS b FROM numbers({rows})"
    )
    return ask


def serve(folder):
    rows, threads, modules = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    try:
        ask = start(folder, rows, threads, modules)
    except Exception as error:
        print(json.dumps({"error": str(error)[:500]}), flush=True)
        return
    print(json.dumps({"version": ask("SELECT version()").strip('"')}), flush=True)
    for line in sys.stdin:
        name, form = line.split()
        begun = time.perf_counter()
        try:
            answer = {"rows": rows, "sum": int(ask(f"SELECT sum({name}_{form}(a, b)) FROM numbers"))}
        except Exception as error:  # a peer that fails is reported, not hidden
            answer = {"error": str(error)[:500]}
        answer["ms"] = (time.perf_counter() - begun) * 1000
        print(json.dumps(answer), flush=True)


with tempfile.TemporaryDirectory() as folder:
    serve(folder)
