SELECT inline(st.z), l FROM t
