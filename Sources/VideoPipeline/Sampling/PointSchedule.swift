/// Which operating points a patched model's sites have, and which quality is asked for.
public struct PointSchedule: Equatable, Sendable {
  public let quality: Int
  public let phases: Int

  /// Quality from 0, at least one phase; nil otherwise.
  public init?(quality: Int, phases: Int) {
    guard quality >= 0, phases >= 1, quality < 1 << 20, phases < 1 << 20 else { return nil }
    self.quality = quality
    self.phases = phases
  }

  /// quality × phases + phase.
  public func point(_ step: SamplerStep) -> Int64 { Int64(quality * phases + step.phase(of: phases)) }
}
