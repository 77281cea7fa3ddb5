import SparseAttention

/// What becomes of a site.
public enum Treatment: Sendable {
  /// One node that attends by policies.
  case attention(SitePolicy)
  /// One node that attends exactly and measures what each of a grid of policies, its points, would do.
  case probe(SitePolicy, sample: Int)

  var policy: SitePolicy {
    switch self {
    case .attention(let policy), .probe(let policy, _): policy
    }
  }
}

/// Names that a patched model has beside the original's.
public enum RewriteNames {
  public static let domain = "isa"
  public static let version: Int64 = 1
  public static let attention = "InContextSparseAttention"
  public static let probe = "AttentionProbe"
  /// Metadata of the operator's nodes: kind and axis of the site.
  public static let kind = "isa.kind"
  public static let axis = "isa.axis"
  /// Graph input with a default: the operating point.
  public static let point = "isa.point"
  /// Graph outputs: this and the site's name.
  public static let statisticsPrefix = "isa.statistics/"
}
