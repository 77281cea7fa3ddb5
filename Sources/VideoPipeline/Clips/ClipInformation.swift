/// What a clip's file says of itself.
public struct ClipInformation: Equatable, Sendable {
  public var width: Int
  public var height: Int
  public var rate: FrameRate
  /// nil where the file does not say.
  public var frames: Int?

  public init(width: Int, height: Int, rate: FrameRate, frames: Int?) {
    self.width = width
    self.height = height
    self.rate = rate
    self.frames = frames
  }
}
