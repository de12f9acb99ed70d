"""Engines that run queries; each reads inputs and writes Parquet, none commits."""
