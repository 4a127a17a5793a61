-- Window functions.
SELECT n_name, row_number() OVER (PARTITION BY n_regionkey ORDER BY n_name) FROM nation;
SELECT n_name, rank() OVER (ORDER BY n_regionkey), dense_rank() OVER (ORDER BY n_regionkey) FROM nation;
SELECT n_name, percent_rank() OVER (ORDER BY n_regionkey), cume_dist() OVER (ORDER BY n_regionkey) FROM nation;
SELECT n_name, ntile(4) OVER (ORDER BY n_name) FROM nation;
SELECT n_name, lag(n_name) OVER (ORDER BY n_name), lead(n_name, 2, 'none') OVER (ORDER BY n_name) FROM nation;
SELECT n_name, first_value(n_name) OVER w, last_value(n_name) OVER w FROM nation WINDOW w AS (PARTITION BY n_regionkey ORDER BY n_name ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING);
SELECT n_name, nth_value(n_name, 2) OVER (PARTITION BY n_regionkey ORDER BY n_name ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM nation;
SELECT n_nationkey, sum(n_nationkey) OVER (ORDER BY n_nationkey) FROM nation;
SELECT n_nationkey, sum(n_nationkey) OVER (ORDER BY n_nationkey ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING) FROM nation;
SELECT n_nationkey, count(*) OVER (ORDER BY n_regionkey RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) FROM nation;
SELECT n_nationkey, avg(n_nationkey) OVER (PARTITION BY n_regionkey) FROM nation;
SELECT o_custkey, o_orderkey, o_totalprice, sum(o_totalprice) OVER (PARTITION BY o_custkey ORDER BY o_orderdate, o_orderkey) FROM orders;
SELECT o_orderkey, max(o_totalprice) OVER (PARTITION BY o_custkey ORDER BY o_orderdate, o_orderkey ROWS 3 PRECEDING) FROM orders;
SELECT * FROM (SELECT o_custkey, o_orderkey, row_number() OVER (PARTITION BY o_custkey ORDER BY o_totalprice DESC, o_orderkey) AS r FROM orders) t WHERE r <= 2;
SELECT n_regionkey, sum(count(*)) OVER (ORDER BY n_regionkey) FROM nation GROUP BY n_regionkey;
SELECT n_name, min(n_name) OVER (PARTITION BY n_regionkey), max(n_name) OVER (PARTITION BY n_regionkey) FROM nation;
SELECT l_orderkey, l_linenumber, l_quantity - lag(l_quantity, 1) OVER (PARTITION BY l_orderkey ORDER BY l_linenumber) FROM lineitem WHERE l_orderkey < 1000;
