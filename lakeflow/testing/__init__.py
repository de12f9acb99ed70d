"""What users' tests need: a pipeline's tables, computed from rows that the test gives."""

from lakeflow.testing.pipeline import Computed, PipelineUnderTest, open_pipeline

__all__ = ["Computed", "PipelineUnderTest", "open_pipeline"]
