-- Answers in order: these are compared row by row, so each order is total.
SELECT o_orderkey, o_custkey FROM orders ORDER BY o_custkey DESC, o_orderkey;
SELECT l_orderkey, l_linenumber, l_comment FROM lineitem WHERE l_quantity < 20 ORDER BY l_comment, l_orderkey, l_linenumber;
SELECT o_orderkey FROM orders ORDER BY o_totalprice, o_orderkey DESC;
SELECT o_orderdate, o_orderkey FROM orders ORDER BY o_orderdate DESC, o_orderkey LIMIT 9000 OFFSET 4000;
SELECT l_orderkey, l_linenumber FROM lineitem WHERE l_tax = 0.01 ORDER BY l_extendedprice * (1 - l_discount) DESC, l_orderkey, l_linenumber;
SELECT o_orderkey, o_comment FROM orders WHERE o_orderkey % 7 = 0 ORDER BY length(o_comment), o_orderkey;
SELECT nullif(o_shippriority + o_orderkey % 3, 1) AS k, o_orderkey FROM orders WHERE o_custkey < 500 ORDER BY k NULLS FIRST, o_orderkey;
SELECT nullif(o_orderkey % 3, 1) AS k, o_orderkey FROM orders WHERE o_custkey < 500 ORDER BY k DESC NULLS LAST, o_orderkey DESC;
SELECT n_name FROM nation ORDER BY n_regionkey, n_name DESC;
SELECT o_orderkey FROM orders WHERE o_orderkey < 0 ORDER BY o_orderkey;
SELECT c_custkey, count(o_orderkey) AS orders FROM customer LEFT JOIN orders ON c_custkey = o_custkey GROUP BY c_custkey ORDER BY orders DESC, c_custkey;
SELECT o_orderkey, l_linenumber, l_shipmode FROM orders JOIN lineitem ON o_orderkey = l_orderkey WHERE o_orderdate < DATE '1992-06-01' ORDER BY l_shipmode, o_orderkey, l_linenumber;
SELECT s_suppkey, sqrt(s_acctbal) AS root FROM supplier WHERE s_acctbal >= 0 ORDER BY root DESC, s_suppkey;
SELECT x FROM (SELECT n_nationkey AS x FROM nation UNION ALL SELECT s_suppkey FROM supplier) t ORDER BY x;
