SELECT * FROM t LATERAL VIEW OUTER posexplode(st.z) v AS p, e LATERAL VIEW explode(m) w AS k, v
