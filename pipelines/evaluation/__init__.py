"""What is made of the sums of an evaluation: figures by place, intervals, tables and pictures."""
