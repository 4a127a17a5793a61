"""DuckDB with Python functions in their Arrow form: reads `NAME FORM` per line, answers with a line of JSON.

usage: duckdb_udf.py ROWS THREADS BODIES

BODIES is a JSON object of infix expressions over a and b by name. FORM is `numpy` (the chunk's buffer as an array, no
copy) or `arrow` (pyarrow's compute functions): both are in use, and which one is faster depends on the body. The name
`capitals` is over text and has the form `arrow` only.
"""

import ast
import json
import sys
import time

import duckdb
import pyarrow
import pyarrow.compute as compute

NUMBERS = """CREATE TABLE numbers AS
SELECT i * 7919 % 10007 AS a, i * 31 % 1009 AS b FROM range({rows}) AS series(i)"""
WORDS = "CREATE TABLE words AS SELECT 'Row ' || a || ' of block ' || b AS s FROM numbers"

OPERATIONS = {ast.Add: compute.add, ast.Sub: compute.subtract, ast.Mult: compute.multiply}


def numpy_form(text):
    code = compile(text, text, "eval")
    return lambda a, b: pyarrow.array(eval(code, {"a": a.to_numpy(), "b": b.to_numpy()}))


def arrow_form(text):
    def value(node, columns):
        if isinstance(node, ast.BinOp):
            return OPERATIONS[type(node.op)](value(node.left, columns), value(node.right, columns))
        return columns[node.id] if isinstance(node, ast.Name) else node.value

    tree = ast.parse(text, mode="eval").body
    return lambda a, b: value(tree, {"a": a, "b": b})


def main():
    rows, threads, bodies = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
    connection = duckdb.connect(config={"threads": threads})
    connection.execute("SET enable_progress_bar = false")
    connection.execute(NUMBERS.format(rows=rows))
    connection.execute(WORDS)
    for name, text in bodies.items():
        for form, function in (("numpy", numpy_form(text)), ("arrow", arrow_form(text))):
            parameters = (["BIGINT", "BIGINT"], "BIGINT")
            connection.create_function(f"{name}_{form}", function, *parameters, type="arrow")
    capitals = lambda s: compute.ascii_upper(s)
    connection.create_function("capitals_arrow", capitals, ["VARCHAR"], "VARCHAR", type="arrow")
    print(json.dumps({"version": duckdb.__version__}), flush=True)
    for line in sys.stdin:
        name, form = line.split()
        call = f"sum({name}_{form}(a, b)) FROM numbers"
        if name == "capitals":
            call = f"sum(length({name}_{form}(s))) FROM words"
        start = time.perf_counter()
        try:
            answer = {"rows": rows, "sum": int(connection.execute(f"SELECT {call}").fetchone()[0])}
        except Exception as error:  # a peer that fails is reported, not hidden
            answer = {"error": str(error)[:500]}
        answer["ms"] = (time.perf_counter() - start) * 1000
        print(json.dumps(answer), flush=True)


main()
