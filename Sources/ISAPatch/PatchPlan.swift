import AttentionPatterns
import SparseAttention

/// What a patched model is to be: how each site attends, and what else it gives.
public struct PatchPlan: Sendable {
  /// What becomes of a site that may be replaced; by name. Sites that are not named stay.
  public var treatments: [String: Treatment]
  /// One more graph output for each replaced site, `isa.statistics/` and its name.
  public var statistics: Bool
  /// The operator also as a function in standard operators.
  public var isPortable = false

  public init(treatments: [String: Treatment], statistics: Bool = false) {
    self.treatments = treatments
    self.statistics = statistics
  }

  /// Policies for sites, by name.
  public init(policies: [String: SitePolicy], statistics: Bool = false) {
    self.init(treatments: policies.mapValues { .attention($0) }, statistics: statistics)
  }

  /// Probes for sites: each policy's points are the candidates.
  public init(probing policies: [String: SitePolicy], sample: Int) {
    self.init(treatments: policies.mapValues { .probe($0, sample: sample) })
  }
}
