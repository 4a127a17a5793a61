-- Text.
SELECT upper(n_name), lower(n_name), length(n_name), reverse(n_name) FROM nation;
SELECT substring(n_name, 2, 3), substring(n_name FROM 3), left(n_name, 2), right(n_name, 2) FROM nation;
SELECT n_name || '-' || n_nationkey, concat(n_name, ':', n_regionkey) FROM nation;
SELECT trim('  x '), ltrim('  x '), rtrim('  x '), lpad('7', 3, '0'), rpad('7', 3, '0');
SELECT replace(n_name, 'A', 'aa'), strpos(n_name, 'AN'), position('I' IN n_name) FROM nation;
SELECT n_name FROM nation WHERE n_name LIKE '_R%' OR n_name LIKE '%AN%' OR n_name NOT LIKE '%A%';
SELECT n_name FROM nation WHERE n_name ILIKE '%united%';
SELECT count(*) FROM orders WHERE o_comment LIKE '%special%requests%';
SELECT count(*) FROM part WHERE p_name LIKE '%green%' AND p_type LIKE 'PROMO%' OR p_brand LIKE '%#4_';
SELECT split_part(p_type, ' ', 2), count(*) FROM part GROUP BY 1;
SELECT c_phone FROM customer WHERE substring(c_phone, 1, 2) IN ('13', '31') AND c_custkey < 200;
SELECT n_name FROM nation WHERE n_name > 'K' AND n_name <= 'P';
SELECT min(p_name), max(p_name), min(p_comment) FROM part;
SELECT starts_with(n_name, 'C'), n_name = 'CHINA', n_name <> 'CHINA' FROM nation;
SELECT ascii('A'), chr(66), repeat('ab', 3), translate('abc', 'ab', 'xy');
SELECT p_container, p_brand, count(*) FROM part WHERE p_container <> 'JUMBO PKG' GROUP BY 1, 2;
SELECT count(DISTINCT p_type), count(DISTINCT substring(p_type, 1, 5)) FROM part;
SELECT 'naïve café', length('日本語');
