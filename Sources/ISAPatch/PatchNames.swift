/// Names that a patched model has beside the original's.
public enum PatchNames {
  /// Graph input with a default: the operating point.
  public static let point = "isa.point"
  /// Graph outputs: `isa.statistics/` and the site.
  public static let statisticsPrefix = "isa.statistics/"
  public static let domain = "isa"
  public static let attention = "InContextSparseAttention"
  public static let probe = "AttentionProbe"
}
