-- Dates and intervals.
SELECT DATE '1998-12-01' - INTERVAL '90' DAY = DATE '1998-09-02';
SELECT extract(year FROM o_orderdate), extract(month FROM o_orderdate), extract(day FROM o_orderdate) FROM orders WHERE o_orderkey < 100;
SELECT date_trunc('month', o_orderdate), count(*) FROM orders GROUP BY 1;
SELECT count(*) FROM orders WHERE o_orderdate >= DATE '1995-01-01' AND o_orderdate < DATE '1995-01-01' + INTERVAL '1' YEAR;
SELECT count(*) FROM lineitem WHERE l_receiptdate > l_shipdate + INTERVAL '20' DAY;
SELECT min(o_orderdate), max(o_orderdate) FROM orders;
SELECT o_orderdate, count(*) FROM orders GROUP BY o_orderdate HAVING count(*) > 12;
SELECT extract(quarter FROM o_orderdate), extract(doy FROM o_orderdate) FROM orders WHERE o_orderkey < 100;
SELECT CAST(DATE '1996-02-29' + INTERVAL '1' YEAR AS DATE), CAST(DATE '2024-01-31' + INTERVAL '1' MONTH AS DATE);
SELECT count(*) FROM lineitem WHERE l_shipdate BETWEEN DATE '1995-03-01' AND DATE '1995-03-31';
