"""DuckDB as an oracle: a line of JSON in ({"sql": …}), a line of JSON out (rows as text, or an error).

usage: duckdb_oracle.py DATA_FOLDER
"""

import datetime
import decimal
import json
import os
import sys

import duckdb


def text(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, list):
        return "[" + ", ".join(text(item) for item in value) + "]"
    return str(value) or "(empty)"


def main():
    folder = sys.argv[1]
    connection = duckdb.connect(config={"threads": 1})
    for name in sorted(os.listdir(folder)):
        if name.endswith(".parquet"):
            path = os.path.join(folder, name)
            connection.execute(f"CREATE VIEW {name[:-8]} AS SELECT * FROM read_parquet('{path}')")
    for line in sys.stdin:
        try:
            rows = connection.execute(json.loads(line)["sql"]).fetchall()
            answer = {"rows": [[text(value) for value in row] for row in rows]}
        except duckdb.Error as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


main()
