import Glibc

extension Model {
  /// Opens a file of external data as reading its tensors would: beneath the model's folder, regular, with one name.
  ///
  /// - Returns: a descriptor for reading, which the caller closes.
  /// - Throws: `externalDataOutside`, `externalDataMissing`.
  public func openExternalData(_ location: String) throws(ModelError) -> Int32 {
    guard let found = try storage.folder?.open(location, tensor: location) else {
      throw .externalDataMissing(tensor: location, location: location, reason: "there is no such file")
    }
    return found.descriptor
  }

  /// False where a model that is written to a path would not be allowed to read one of its data files, which is there.
  public func mayReadExternalData(_ location: String, from path: String) -> Bool {
    do throws(ModelError) {
      if let found = try ExternalFolder(ofModel: path, followsLink: false)?.open(location, tensor: location) {
        close(found.descriptor)
      }
      return true
    } catch {
      return false
    }
  }
}
