/// What was decided for one (batch, head).
public struct Selection: Sendable, Equatable {
  /// [key blocks]: takes part at all, exactly or by its mean.
  public var kept: [Bool]
  /// [key blocks]: pruned context that still counts by its mean.
  public var averaged: [Bool]
  /// [query blocks]: routed to full attention.
  public var full: [Bool]
  /// [query blocks][key blocks]: computed token by token.
  public var exact: [[Bool]]
  /// Executed density, share of full query blocks, context kept, mean sharpness.
  public var statistics: [Float]

  public init(kept: [Bool], averaged: [Bool], full: [Bool], exact: [[Bool]], statistics: [Float] = [0, 0, 0, 0]) {
    self.kept = kept
    self.averaged = averaged
    self.full = full
    self.exact = exact
    self.statistics = statistics
  }
}
