/// One call of the model while sampling.
public struct SamplerStep: Equatable, Sendable {
  /// From 0.
  public let index: Int
  public let steps: Int

  public init(index: Int, of steps: Int) {
    self.index = index
    self.steps = steps
  }

  /// 1 − index/steps, rounded once: 1 is pure noise.
  public var t: Float { Float(1 - Double(index) / Double(steps)) }

  /// Phase of the schedule, of `phases` equal parts from early (0) to late.
  public func phase(of phases: Int) -> Int { index * phases / steps }
}

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
