# Databricks notebook source
# MAGIC %md
# MAGIC # The season so far

# COMMAND ----------

dbutils.widgets.text("tournament", "FIFA World Cup")
tournament = dbutils.widgets.get("tournament")

# COMMAND ----------

played = spark.sql(
    """
    SELECT count(*) AS matches, sum(home_score + away_score) AS goals, max(date) AS latest
    FROM matches WHERE tournament = :tournament
    """,
    args={"tournament": tournament},
).first()

# COMMAND ----------

# MAGIC %sql
# MAGIC SELECT team, points FROM all_time_table ORDER BY points DESC LIMIT 5

# COMMAND ----------

per_match = played.goals / played.matches if played.matches else 0
dbutils.jobs.taskValues.set("goals", played.goals)
dbutils.notebook.exit(f"{tournament}: {played.matches} matches, {per_match:.2f} goals in each")
